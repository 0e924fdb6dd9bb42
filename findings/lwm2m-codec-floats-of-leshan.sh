#!/usr/bin/env bash
# lwm2m-codec 0.1.1 (npm): the floats that Leshan 2.0.0-M18 writes in TLV are read as other numbers, without an error.
#
# Expected: a float in TLV has four or eight bytes (LwM2M 1.0, data types), and its length field says which, so 20.5 from
# Leshan, which always writes eight bytes, is 20.5 for each decoder.
# Observed: lwm2m-codec reads the first four bytes of any float. The upper half of a double is a valid float of its own, so
# 20.5 becomes 2.8203125 and -0.1 becomes -1.45: plausible numbers, no exception. Integers of eight bytes are right.
# The instances of a multiple integer are returned as text. Its encoder chooses the number of bytes without the sign, so
# it throws a RangeError for 128, 255 or 32768.
# Workaround: another content format than TLV for floats, or a decoder of your own for them.
#
# Needs Node.js 20 or newer with npm, Java 17 and Maven; everything is installed in a temporary folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

npm init -y >/dev/null
npm install --silent --no-audit --no-fund lwm2m-codec@0.1.1

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
import java.util.Map;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.node.codec.DefaultLwM2mEncoder;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.util.Hex;

public class Finding {
    static final LwM2mModel MODEL = new StaticModel(ObjectLoader.loadDefault());

    static void print(String path, Object value, LwM2mNode node) {
        byte[] bytes = new DefaultLwM2mEncoder().encode(node, ContentFormat.TLV, null, new LwM2mPath(path), MODEL);
        System.out.println(path + " " + value + " " + Hex.encodeHexString(bytes));
    }

    public static void main(String[] arguments) {
        for (double latitude : new double[] {20.5, -0.1, 51.4}) {
            print("/6/0/0", latitude, LwM2mSingleResource.newFloatResource(0, latitude));
        }
        for (long lifetime : new long[] {50, 5_000_000_000L}) {
            print("/1/0/1", lifetime, LwM2mSingleResource.newIntegerResource(1, lifetime));
        }
        print("/3/0/7", "0=1", LwM2mMultipleResource.newIntegerResource(7, Map.of(0, 1L)));
    }
}
JAVA

cat >finding.js <<'JAVASCRIPT'
const codec = require("lwm2m-codec");
const lines = require("node:fs").readFileSync(0, "utf8").trim().split("\n");
for (const line of lines) {
  const [path, value, bytes] = line.split(" ");
  const decoded = codec.decode("tlv", path, Buffer.from(bytes, "hex"));
  console.log(`${path} ${value} as ${bytes}: ${JSON.stringify(decoded)}`);
}
for (const value of [127, 128, 255, 256, 32768]) {
  try {
    console.log(`its own TLV of ${value}: ${codec.encode("tlv", "/1/0/1", value).toString("hex")}`);
  } catch (error) {
    console.log(`its own TLV of ${value}: ${error.name}`);
  }
}
JAVASCRIPT

mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=lib >/dev/null
javac -cp 'lib/*' Finding.java
java -cp 'lib/*:.' Finding 2>/dev/null | node finding.js | tee seen

cat >expected <<'TEXT'
/6/0/0 20.5 as c800084034800000000000: 2.8203125
/6/0/0 -0.1 as c80008bfb999999999999a: -1.4499999284744263
/6/0/0 51.4 as c800084049b33333333333: 3.151562452316284
/1/0/1 50 as c10132: 50
/1/0/1 5000000000 as c80108000000012a05f200: 5000000000
/3/0/7 0=1 as 8307410001: {"0":"\u0001"}
its own TLV of 127: c1017f
its own TLV of 128: RangeError
its own TLV of 255: RangeError
its own TLV of 256: c2010100
its own TLV of 32768: RangeError
TEXT
diff expected seen && echo "As found: floats of eight bytes are read as four."
