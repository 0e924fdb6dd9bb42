#!/usr/bin/env bash
# Leshan 2.0.0-M18: an object instance without resources loses its id in SenML, without an error.
#
# Expected: a CREATE without resources is allowed where an object has no mandatory ones (307 objects of the registry), so
# an encoder writes the instance's id in every content format, or refuses the formats that cannot express it.
# Observed: TLV keeps the id. SenML JSON becomes "[]" and SenML CBOR one byte, an empty array: no exception, no id. The
# device decodes no instance at all; Leshan's own client answers 4.00 "Missing object instance id".
# So a CREATE without resources, or a WRITE that empties an instance, must be sent as TLV.
#
# Needs Java 17 and Maven; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.eclipse.leshan</groupId><artifactId>leshan-lwm2m-core</artifactId><version>2.0.0-M18</version>
    </dependency>
  </dependencies>
</project>
XML

cat >Finding.java <<'JAVA'
import java.util.List;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mDecoder;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mEncoder;
import org.eclipse.leshan.core.request.ContentFormat;

public class Finding {
    public static void main(String[] arguments) throws Exception {
        LwM2mModel model = new StaticModel(ObjectLoader.loadDefault());
        LwM2mPath path = new LwM2mPath(2);
        LwM2mObjectInstance filled = new LwM2mObjectInstance(7, LwM2mSingleResource.newIntegerResource(0, 5));
        LwM2mObjectInstance empty = new LwM2mObjectInstance(7, List.<LwM2mResource>of());
        for (ContentFormat format : List.of(ContentFormat.TLV, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)) {
            for (LwM2mObjectInstance instance : List.of(filled, empty)) {
                LwM2mObject object = new LwM2mObject(2, instance);
                byte[] payload = new DefaultLwM2mEncoder().encode(object, format, null, path, model);
                LwM2mObject read = (LwM2mObject) new DefaultLwM2mDecoder().decode(payload, format, null, path, model);
                System.out.println(format.getName() + " resources=" + instance.getResources().size()
                        + " bytes=" + payload.length + " instances=" + read.getInstances().keySet());
            }
        }
    }
}
JAVA

mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib >/dev/null
javac -cp 'lib/*' Finding.java
java -cp 'lib/*:.' Finding 2>/dev/null | tee seen

cat >expected <<'TEXT'
TLV resources=1 bytes=5 instances=[7]
TLV resources=0 bytes=2 instances=[7]
SENML_JSON resources=1 bytes=30 instances=[7]
SENML_JSON resources=0 bytes=2 instances=[]
SENML_CBOR resources=1 bytes=14 instances=[7]
SENML_CBOR resources=0 bytes=1 instances=[]
TEXT
diff expected seen && echo "As found: in SenML an instance without resources loses its id."
