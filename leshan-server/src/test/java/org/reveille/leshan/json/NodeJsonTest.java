package org.reveille.leshan.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NodeJsonTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "{'kind':'singleResource','id':110,'type':'STRING','value':'h\\u00e9llo \\u20ac'}",
        "{'kind':'singleResource','id':120,'type':'INTEGER','value':'-9223372036854775808'}",
        "{'kind':'singleResource','id':125,'type':'UNSIGNED_INTEGER','value':'18446744073709551615'}",
        "{'kind':'singleResource','id':130,'type':'FLOAT','value':'1.0E300'}",
        "{'kind':'singleResource','id':140,'type':'BOOLEAN','value':true}",
        "{'kind':'singleResource','id':150,'type':'OPAQUE','value':'00ff10'}",
        "{'kind':'singleResource','id':160,'type':'TIME','value':1700000000000}",
        "{'kind':'singleResource','id':180,'type':'CORELINK','value':'</3/0>'}",
        "{'kind':'multiResource','values':{'0':'1','5':'-5'},'id':1120,'type':'INTEGER'}",
        "{'kind':'resourceInstance','id':5,'type':'STRING','value':'z'}",
        "{'kind':'instance','resources':[{'kind':'singleResource','id':1,'type':'STRING','value':'a'}],'id':0}",
        "{'instances':[{'kind':'instance','resources':[],'id':0}],'kind':'obj','id':3303}"
    })
    void nodesAreUnchangedByWritingAndReading(String quoted) throws Exception {
        String json = quoted.replace('\'', '"');
        assertEquals(Json.read(json), NodeWriter.write(NodeReader.read(Json.read(json))));
        assertEquals(Json.write(Json.read(json)), Json.write(NodeWriter.write(NodeReader.read(Json.read(json)))));
    }

    @Test
    void anObjectLinkGainsNullLink() throws Exception {
        String sent = "{\"id\":170,\"kind\":\"singleResource\",\"type\":\"OBJLNK\","
                + "\"value\":{\"objectId\":3,\"objectInstanceId\":0}}";
        assertEquals("{\"objectId\":3,\"objectInstanceId\":0,\"nullLink\":false}",
                NodeWriter.write(NodeReader.read(Json.read(sent))).get("value").toString());
    }

    @ParameterizedTest
    @CsvSource({"INTEGER,'\"9223372036854775808\"'", "UNSIGNED_INTEGER,'\"-1\"'", "FLOAT,'\"NaN\"'",
        "FLOAT,'\"Infinity\"'", "BOOLEAN,'\"true\"'", "TIME,'\"1\"'", "OPAQUE,'\"abc\"'", "OBJLNK,'\"3:0\"'",
        "STRING,5"})
    void valuesOfAnotherTypeAreRefused(String type, String value) throws Exception {
        var node = Json.read(String.format(
                "{\"id\":1,\"kind\":\"singleResource\",\"type\":\"%s\",\"value\":%s}", type, value));
        assertThrows(IllegalArgumentException.class, () -> NodeReader.read(node));
    }
}
