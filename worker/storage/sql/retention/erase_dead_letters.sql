-- Bytes and headers of refused records go; place, class and shields stay, and so does a key that is an
-- order's id. The markers tell readers of the dead letter topic why nothing else is there.
UPDATE dead_letters SET value = NULL,
    key = CASE WHEN key = ANY (ARRAY(SELECT convert_to(o, 'UTF8') FROM unnest($2::text[]) o)) THEN key END,
    header_names = ARRAY[convert_to('plazo-value-omitted', 'UTF8'),
        convert_to('plazo-headers-omitted', 'UTF8')],
    header_values = ARRAY[convert_to('erased', 'UTF8'), convert_to('erased', 'UTF8')]
WHERE id = ANY ($1::bigint[])
