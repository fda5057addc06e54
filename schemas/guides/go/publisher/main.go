// A sample publisher; the tests run it as it is.
//
//	publisher BROKERS TOPIC TYPE < events.jsonl
//
// Each line is the value of one event. The key is its order id, so that all events of an order are
// in one partition.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	brokers, topic, ceType := os.Args[1], os.Args[2], os.Args[3]
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.RequiredAcks(kgo.AllISRAcks()),                   // the default, as is idempotence
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	headers := []kgo.RecordHeader{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_type", Value: []byte(ceType)},
		{Key: "content-type", Value: []byte("application/json")},
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1_000_000)
	for lines.Scan() {
		value := []byte(lines.Text())
		var event struct {
			OrderID string `json:"order_id"`
		}
		if err := json.Unmarshal(value, &event); err != nil {
			log.Fatal(err)
		}
		record := &kgo.Record{Topic: topic, Key: []byte(event.OrderID), Value: value, Headers: headers}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
