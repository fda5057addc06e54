// A sample consumer of the decisions topic; the tests run it as it is.
//
//     node consumer.js BROKERS TOPIC GROUP
//
// It prints every decision once. Its state is one number for each partition. In production store it in
// the same transaction as the effect of the decision, where the comment says so.

import { Kafka, logLevel } from "kafkajs";

const [brokers, topic, groupId] = process.argv.slice(2);
const last = new Map(); // by partition, the sequence of the last decision that took effect

// The effect of a decision; undefined for a repeat.
function take(partition, headers, decision) {
  // Of the header: a JSON number beyond 2^53 would lose digits.
  const sequence = BigInt(headers.ce_sequence.toString());
  // Retention may have removed the beginning: the first record of a partition sets the start.
  const before = last.get(partition) ?? sequence - 1n;
  if (sequence <= before) return undefined; // a repeat: the same id, the same sequence
  if (sequence > before + 1n) {
    throw new Error(`partition ${partition}: no decisions between ${before} and ${sequence}`);
  }
  // Here: BEGIN; the effect of the decision; the new `last`; COMMIT.
  last.set(partition, sequence);
  const order = decision.order_id;
  const type = headers.ce_type.toString();
  switch (type) {
    case "marketplace.order.auto-cancel.v1":
      return `cancel ${order}`;
    case "marketplace.order.escalation.v1":
      return `ask a person about ${order}: ${decision.reason}`;
    case "marketplace.order.decision-revoked.v1":
      return decision.order_cancelled
        ? `forget ${decision.revokes.id} of ${order}, which stays cancelled`
        : `undo ${decision.revokes.id} of ${order}`;
    case "marketplace.order.deadline-reminder.v1":
      return `remind the seller of ${order}, due ${decision.due}`;
    default:
      return `ignore ${type}`; // more types may be added
  }
}

const settings = { clientId: "sample", brokers: brokers.split(","), logLevel: logLevel.WARN };
const kafka = new Kafka(settings);
const consumer = kafka.consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  // Commit offsets only where `last` is stored; here every start begins at the beginning.
  autoCommit: false,
  eachMessage: async ({ partition, message }) => {
    const effect = take(partition, message.headers, JSON.parse(message.value.toString()));
    if (effect !== undefined) console.log(effect);
  },
});
