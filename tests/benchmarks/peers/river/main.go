// Deadlines with River: a job for each order, scheduled for when it is due. What it is told to do
// stands in plan.py.
//
// It promises less: nothing proves that all events were read when a job looks at its order;
// nothing is revoked or published in order.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const chunk = 1000

const decide = `
INSERT INTO bench_verdicts (order_id, due)
SELECT order_id, $2 FROM bench_orders WHERE order_id = $1 AND status = 'order-created'
ON CONFLICT DO NOTHING`

const enter = `
INSERT INTO bench_orders (order_id, seller_id, status, updated_at) VALUES ($1, $2, $3, now())`

// Lapse is the job of one order.
type Lapse struct {
	OrderID string    `json:"order_id"`
	Due     time.Time `json:"due"`
}

// Kind names the job.
func (Lapse) Kind() string { return "lapse" }

// Decider works the jobs.
type Decider struct {
	river.WorkerDefaults[Lapse]
	pool *pgxpool.Pool
}

// Work looks at the order once.
func (d *Decider) Work(ctx context.Context, job *river.Job[Lapse]) error {
	_, err := d.pool.Exec(ctx, decide, job.Args.OrderID, job.Args.Due)
	return err
}

func main() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("BENCH_DATABASE_URL"))
	must(err)
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(err)
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	must(err)
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	must(err)
	workers := river.NewWorkers()
	river.AddWorker(workers, &Decider{pool: pool})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 100}},
		Workers: workers,
	})
	must(err)
	must(client.Start(ctx))
	orders := int(number("BENCH_ORDERS"))
	if os.Args[1] == "at_once" {
		atOnce(ctx, client, orders)
	} else {
		steadily(ctx, pool, client, orders)
	}
	_, err = pool.Exec(ctx, "INSERT INTO bench_scheduled DEFAULT VALUES")
	must(err)
	select {}
}

func atOnce(ctx context.Context, client *river.Client[pgx.Tx], orders int) {
	due := time.UnixMicro(int64(1e6 * number("BENCH_DUE")))
	for first := 1; first <= orders; first += chunk {
		var jobs []river.InsertManyParams
		for n := first; n < min(first+chunk, orders+1); n++ {
			options := &river.InsertOpts{ScheduledAt: due}
			jobs = append(jobs, river.InsertManyParams{Args: Lapse{id(n), due}, InsertOpts: options})
		}
		_, err := client.InsertManyFast(ctx, jobs)
		must(err)
	}
}

func steadily(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx], orders int) {
	pause := time.Duration(float64(time.Second) / number("BENCH_RATE"))
	window := time.Duration(number("BENCH_WINDOW_MS")) * time.Millisecond
	began := time.Now()
	for n := 1; n <= orders; n++ {
		status := "order-created"
		if n%10 == 0 {
			status = "start-handling"
		}
		_, err := pool.Exec(ctx, enter, id(n), fmt.Sprintf("seller-%d", n%5000), status)
		must(err)
		due := time.Now().Add(window)
		_, err = client.Insert(ctx, Lapse{id(n), due}, &river.InsertOpts{ScheduledAt: due})
		must(err)
		time.Sleep(time.Until(began.Add(time.Duration(n) * pause)))
	}
}

func id(n int) string { return fmt.Sprintf("%012d-01", n) }

func number(name string) float64 {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
