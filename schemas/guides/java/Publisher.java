import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A sample publisher; the tests run it as it is.
 *
 * <p>java -cp 'kafka-clients and jackson-databind' Publisher.java BROKERS TOPIC TYPE &lt; events.jsonl
 *
 * <p>Each line is the value of one event. The key is its order id, so that all events of an order
 * are in one partition.
 */
public final class Publisher {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true");
        // The partitioner is murmur2 by default: set neither partitioner.class nor
        // partitioner.ignore.keys.
        BufferedReader events =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        ObjectMapper json = new ObjectMapper();
        List<Future<?>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String line; (line = events.readLine()) != null; ) {
                String order = json.readTree(line).get("order_id").asText();
                ProducerRecord<String, String> record =
                        new ProducerRecord<>(arguments[1], order, line);
                header(record, "ce_specversion", "1.0");
                header(record, "ce_type", arguments[2]);
                header(record, "content-type", "application/json");
                sent.add(producer.send(record));
            }
            for (Future<?> one : sent) {
                one.get(); // throws if the brokers did not acknowledge it
            }
        }
    }

    private static void header(ProducerRecord<String, String> record, String name, String text) {
        record.headers().add(name, text.getBytes(StandardCharsets.UTF_8));
    }
}
