import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The deadline job with Kafka Streams: two topics in, an order's state and its deadline in RocksDB
 * with a changelog, a punctuator by the clock, decisions out.
 *
 * <p>It promises less: a status that another partition holds, or that was not read when the
 * deadline passed, stops no cancellation; nothing is revoked; a record that does not parse stops it.
 */
public final class Deadlines {
  static final ObjectMapper JSON =
      new ObjectMapper().setPropertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE);

  /** What it needs of an order-created and of a status change; one of the two times is there. */
  @JsonIgnoreProperties(ignoreUnknown = true)
  record Event(String orderId, String sellerId, String status, String enteredAt, String occurredAt) {}

  /** What is known of an order; times in milliseconds, 0 as long as it has not entered. */
  record Order(String sellerId, String status, long entered, long due) {}

  record Decision(String orderId, String sellerId, String reason, Instant due, Instant decidedAt) {
    Map<String, String> body() {
      return Map.of(
          "order_id", orderId, "seller_id", sellerId, "reason", reason,
          "due", due.toString(), "decided_at", decidedAt.toString());
    }
  }

  static <T> Serde<T> json(Class<T> type) {
    return Serdes.serdeFrom(
        (topic, value) -> {
          try {
            return value == null ? null : JSON.writeValueAsBytes(value);
          } catch (IOException error) {
            throw new SerializationException(error);
          }
        },
        (topic, bytes) -> {
          try {
            return bytes == null ? null : JSON.readValue(bytes, type);
          } catch (IOException error) {
            throw new SerializationException(error);
          }
        });
  }

  /** Keeps orders and their deadlines; the keys of deadlines sort by time. */
  static final class Keeper implements Processor<String, Event, String, Map<String, String>> {
    private final long window;
    private ProcessorContext<String, Map<String, String>> context;
    private KeyValueStore<String, Order> orders;
    private KeyValueStore<String, String> deadlines;

    Keeper(Duration window) {
      this.window = window.toMillis();
    }

    @Override
    public void init(ProcessorContext<String, Map<String, String>> context) {
      this.context = context;
      orders = context.getStateStore("orders");
      deadlines = context.getStateStore("deadlines");
      context.schedule(Duration.ofMillis(100), PunctuationType.WALL_CLOCK_TIME, this::lapse);
    }

    @Override
    public void process(Record<String, Event> record) {
      String id = record.key();
      Event event = record.value();
      Order known = orders.get(id);
      if (event.enteredAt() == null) {
        if (known == null) {
          orders.put(id, new Order(null, event.status(), 0, 0));
        } else {
          orders.put(id, new Order(known.sellerId(), event.status(), known.entered(), known.due()));
          deadlines.delete(place(known.due(), id));
        }
      } else if (known == null || known.entered() == 0) {
        long entered = OffsetDateTime.parse(event.enteredAt()).toInstant().toEpochMilli();
        long due = entered + window;
        String status = known == null ? "order-created" : known.status();
        orders.put(id, new Order(event.sellerId(), status, entered, due));
        if (known == null) {
          deadlines.put(place(due, id), id);
        }
      }
    }

    private void lapse(long now) {
      try (KeyValueIterator<String, String> due = deadlines.range(place(0, ""), place(now, ""))) {
        while (due.hasNext()) {
          KeyValue<String, String> next = due.next();
          Order order = orders.get(next.value);
          if (order.status().equals("order-created")) {
            Decision decision =
                new Decision(
                    next.value, order.sellerId(), "stock-not-validated",
                    Instant.ofEpochMilli(order.due()), Instant.ofEpochMilli(now));
            orders.put(
                next.value,
                new Order(order.sellerId(), "auto-cancelled", order.entered(), order.due()));
            context.forward(new Record<>(next.value, decision.body(), now));
          }
          deadlines.delete(next.key);
        }
      }
    }

    private static String place(long due, String id) {
      return String.format("%015d/", due) + id;
    }
  }

  private static void tell(KafkaStreams.State state, Path ready) {
    try {
      if (state == KafkaStreams.State.RUNNING && !Files.exists(ready)) {
        Files.createFile(ready);
      }
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  public static void main(String[] arguments) {
    Map<String, String> told = System.getenv();
    boolean exactly = arguments[0].equals("eos");
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, told.get("BENCH_GROUP"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, told.get("BENCH_BOOTSTRAP"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, told.get("BENCH_STATE"));
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        exactly ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    if (!exactly) {
      // Progress is seen by what is committed: every second instead of every thirty.
      settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
    }
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");

    Duration window = Duration.ofMillis(Long.parseLong(told.get("BENCH_WINDOW_MS")));
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("orders"), Serdes.String(), json(Order.class)));
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore("deadlines"), Serdes.String(), Serdes.String()));
    @SuppressWarnings({"unchecked", "rawtypes"})
    Serde<Map<String, String>> body = (Serde) json(Map.class);
    builder
        .stream(
            List.of(told.get("BENCH_CREATED"), told.get("BENCH_CHANGED")),
            Consumed.with(Serdes.String(), json(Event.class)))
        .process(() -> new Keeper(window), "orders", "deadlines")
        .to(told.get("BENCH_DECISIONS"), Produced.with(Serdes.String(), body));

    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setStateListener((now, before) -> tell(now, Path.of(told.get("BENCH_READY"))));
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
