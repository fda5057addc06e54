-- A question of a person may take $1; the worker's own statements need no tables read whole, this one may.
SELECT set_config('statement_timeout', $1, true), set_config('enable_seqscan', 'on', true)
