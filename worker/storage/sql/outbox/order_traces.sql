SELECT order_id, traceparent, tracestate FROM traces WHERE order_id = ANY ($1::text[])
