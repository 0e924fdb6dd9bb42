package org.reveille.leshan.json;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NodeValidatorTest {
    @ParameterizedTest
    @ValueSource(strings = {
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':null}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':[]}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':'0'}",
        "{'kind':'multiResource','id':7,'type':'INTEGER'}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':{'+1':'1'}}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':{'01':'1'}}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':{'65535':'1'}}",
        "{'kind':'singleResource','id':true,'type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':1.9,'type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':4294967297,'type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':'1','type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':-1,'type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':null,'type':'STRING','value':'x'}",
        "{'kind':'singleResource','type':'STRING','value':'x'}",
        "{'kind':'singleResource','id':1,'type':'STRING'}",
        "{'kind':'singleResource','id':1,'value':'x'}",
        "{'kind':'singleResource','id':1,'type':'NONE','value':'x'}",
        "{'kind':'singleResource','id':1,'type':'Text','value':'x'}",
        "{'kind':'singleResource','id':1,'type':'FLOAT','value':'1d'}",
        "{'kind':'singleResource','id':1,'type':'FLOAT','value':'0x1p3'}",
        "{'kind':'singleResource','id':1,'type':'FLOAT','value':' 1'}",
        "{'kind':'singleResource','id':1,'type':'INTEGER','value':'\\u0663'}",
        "{'kind':'singleResource','id':1,'type':'TIME','value':18446744073709551621}",
        "{'kind':'singleResource','id':1,'type':'OBJLNK','value':{'objectId':70000,'objectInstanceId':0}}",
        "{'kind':'singleResource','id':1,'type':'OBJLNK','value':{'objectId':65535,'objectInstanceId':0}}",
        "{'id':1,'type':'STRING','value':'x'}",
        "{'kind':1,'id':1,'type':'STRING','value':'x'}",
        "{'kind':'resource','id':1,'type':'STRING','value':'x'}",
        "{'kind':'instance','id':0}",
        "{'kind':'instance','id':0,'resources':{}}",
        "{'kind':'instance','id':-1,'resources':[]}",
        "{'kind':'instance','id':0,'resources':[{'id':1,'type':'STRING','value':'x'}]}",
        "{'kind':'instance','id':0,'resources':['x']}",
        "{'kind':'instance','id':0,'resources':[{'kind':'multiResource','id':7,'type':'INTEGER','values':null}]}",
        "{'kind':'obj','id':3303,'instances':null}",
        "{'kind':'obj','id':3303,'instances':[{'kind':'obj','id':0,'resources':[]}]}",
        "[]", "null", "'x'", "5"
    })
    void anInvalidNodeIsRefusedWithASentence(String quoted) throws Exception {
        var json = Json.read(quoted.replace('\'', '"'));
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> NodeValidator.check(json));
        assertTrue(refused.getMessage().contains(" "), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':{}}",
        "{'kind':'multiResource','id':7,'type':'INTEGER','values':{'0':'1','65534':-5}}",
        "{'kind':'instance','resources':[]}",
        "{'kind':'instance','id':65534,'resources':[{'kind':'singleResource','id':0,'type':'STRING','value':''}]}",
        "{'instances':[{'kind':'instance','resources':[],'id':0}],'kind':'obj','id':3303}",
        "{'instances':[{'resources':[],'id':0}],'kind':'obj','id':3303}",
        "{'kind':'singleResource','id':1,'type':'FLOAT','value':'-1.5E-3'}",
        "{'kind':'singleResource','id':1,'type':'FLOAT','value':'.5'}",
        "{'kind':'singleResource','id':1,'type':'INTEGER','value':'+5'}",
        "{'kind':'singleResource','id':1,'type':'OBJLNK','value':"
                + "{'objectId':65535,'objectInstanceId':65535,'nullLink':true}}",
        "{'kind':'resourceInstance','id':5,'type':'CORELINK','value':'</3/0>'}"
    })
    void validNodesAreAccepted(String quoted) throws Exception {
        var json = Json.readStrictly(quoted.replace('\'', '"'));
        NodeValidator.check(json);
        NodeReader.read(json);
    }

    @Test
    void trailingTextAndDuplicateKeysAreRefused() throws Exception {
        assertThrows(JsonProcessingException.class, () -> Json.readStrictly("{} {}"));
        assertThrows(JsonProcessingException.class, () -> Json.readStrictly("{\"id\":1}x"));
        assertThrows(JsonProcessingException.class, () -> Json.readStrictly("{\"id\":1,\"id\":2}"));
        assertEquals(Json.read("{\"id\":1}"), Json.readStrictly(" {\"id\":1}\n"));
    }

    @Test
    void aLongValueIsShownInPart() throws Exception {
        var json = Json.read("{\"kind\":\"singleResource\",\"id\":\"" + "9".repeat(1000) + "\"}");
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> NodeValidator.check(json));
        assertTrue(refused.getMessage().length() < 200, refused.getMessage());
    }
}
