import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

/** Reads decisions as Kafka Connect does: SCHEMA DECISION… */
public final class Convert {
    public static void main(String[] arguments) throws Exception {
        JsonConverter converter = new JsonConverter();
        String schema = Files.readString(Path.of(arguments[0]));
        converter.configure(Map.of("schemas.enable", "true", "schema.content", schema), false);
        for (int i = 1; i < arguments.length; i++) {
            byte[] value = Files.readAllBytes(Path.of(arguments[i]));
            Struct decision = (Struct) converter.toConnectData("decisions", value).value();
            decision.validate();
            System.out.println(decision.getString("type") + " " + decision.getInt64("sequence"));
        }
    }
}
