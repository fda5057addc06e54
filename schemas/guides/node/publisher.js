// A sample publisher; the tests run it as it is.
//
//     node publisher.js BROKERS TOPIC TYPE < events.jsonl
//
// Each line is the value of one event. The key is its order id, so that all events of an order are in
// one partition.

import { createInterface } from "node:readline";
import { Kafka, Partitioners } from "kafkajs";

const [brokers, topic, type] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "sample", brokers: brokers.split(",") });
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner, // murmur2
  idempotent: true,
  maxInFlightRequests: 1, // idempotence of kafkajs needs it
});
const headers = { ce_specversion: "1.0", ce_type: type, "content-type": "application/json" };

await producer.connect();
for await (const line of createInterface({ input: process.stdin })) {
  const key = JSON.parse(line).order_id;
  await producer.send({ topic, acks: -1, messages: [{ key, value: line, headers }] });
}
await producer.disconnect();
