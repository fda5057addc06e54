import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A sample consumer of the decisions topic; the tests run it as it is.
 *
 * <p>java -cp 'kafka-clients and jackson-databind' Consumer.java BROKERS TOPIC
 *
 * <p>It prints every decision once. Its state is one number for each partition. In production store
 * it in the same transaction as the effect of the decision, where the comment says so.
 */
public final class Consumer {
    /** By partition, the sequence of the last decision that took effect. */
    private static final Map<Integer, Long> LAST = new HashMap<>();

    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("enable.auto.commit", "false");
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(arguments[1]).stream()
                            .map(one -> new TopicPartition(one.topic(), one.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions); // or behind the stored offsets
            while (true) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    String effect = take(record.partition(), JSON.readTree(record.value()));
                    if (effect != null) {
                        System.out.println(effect);
                    }
                }
            }
        }
    }

    /** The effect of a decision; null for a repeat. */
    private static String take(int partition, JsonNode decision) {
        long sequence = decision.get("sequence").asLong();
        // Retention may have removed the beginning: the first record of a partition sets the start.
        long before = LAST.getOrDefault(partition, sequence - 1);
        if (sequence <= before) {
            return null; // a repeat: the same id, the same sequence
        }
        if (sequence > before + 1) {
            throw new IllegalStateException(
                    "partition " + partition + ": no decisions between " + before + " and " + sequence);
        }
        // Here: BEGIN; the effect of the decision; the new LAST; COMMIT.
        LAST.put(partition, sequence);
        String order = decision.get("order_id").asText();
        switch (decision.get("type").asText()) {
            case "marketplace.order.auto-cancel.v1":
                return "cancel " + order;
            case "marketplace.order.escalation.v1":
                return "ask a person about " + order + ": " + decision.get("reason").asText();
            case "marketplace.order.decision-revoked.v1":
                String revoked = decision.get("revokes").get("id").asText();
                return decision.path("order_cancelled").asBoolean()
                        ? "forget " + revoked + " of " + order + ", which stays cancelled"
                        : "undo " + revoked + " of " + order;
            case "marketplace.order.deadline-reminder.v1":
                return "remind the seller of " + order + ", due " + decision.get("due").asText();
            default:
                return "ignore " + decision.get("type").asText(); // more types may be added
        }
    }
}
