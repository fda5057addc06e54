// A sample consumer of the decisions topic; the tests run it as it is.
//
//	consumer BROKERS TOPIC
//
// It prints every decision once. Its state is one number for each partition. In production store it
// in the same transaction as the effect of the decision, where the comment says so.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

type decision struct {
	ID             string `json:"id"`
	Type           string `json:"type"`
	Sequence       int64  `json:"sequence"`
	OrderID        string `json:"order_id"`
	Reason         string `json:"reason"`
	Due            string `json:"due"`
	OrderCancelled bool   `json:"order_cancelled"`
	Revokes        struct {
		ID string `json:"id"`
	} `json:"revokes"`
}

// By partition, the sequence of the last decision that took effect.
var last = map[int32]int64{}

// take returns the effect of a decision, and nothing for a repeat.
func take(partition int32, d decision) string {
	// Retention may have removed the beginning: the first record of a partition sets the start.
	before, known := last[partition]
	if !known {
		before = d.Sequence - 1
	}
	if d.Sequence <= before {
		return "" // a repeat: the same id, the same sequence
	}
	if d.Sequence > before+1 {
		log.Fatalf("partition %d: no decisions between %d and %d", partition, before, d.Sequence)
	}
	// Here: BEGIN; the effect of the decision; the new last; COMMIT.
	last[partition] = d.Sequence
	switch d.Type {
	case "marketplace.order.auto-cancel.v1":
		return "cancel " + d.OrderID
	case "marketplace.order.escalation.v1":
		return fmt.Sprintf("ask a person about %s: %s", d.OrderID, d.Reason)
	case "marketplace.order.decision-revoked.v1":
		if d.OrderCancelled {
			return fmt.Sprintf("forget %s of %s, which stays cancelled", d.Revokes.ID, d.OrderID)
		}
		return fmt.Sprintf("undo %s of %s", d.Revokes.ID, d.OrderID)
	case "marketplace.order.deadline-reminder.v1":
		return fmt.Sprintf("remind the seller of %s, due %s", d.OrderID, d.Due)
	default:
		return "ignore " + d.Type // more types may be added
	}
}

func main() {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.ConsumeTopics(os.Args[2]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(context.Background())
		fetches.EachError(func(topic string, partition int32, err error) {
			log.Printf("%s/%d: %v", topic, partition, err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			var d decision
			if err := json.Unmarshal(record.Value, &d); err != nil {
				log.Fatal(err)
			}
			if effect := take(record.Partition, d); effect != "" {
				fmt.Println(effect)
			}
		})
	}
}
