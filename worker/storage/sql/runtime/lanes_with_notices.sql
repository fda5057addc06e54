SELECT DISTINCT lane FROM notices WHERE lane = ANY ($1::int[])
