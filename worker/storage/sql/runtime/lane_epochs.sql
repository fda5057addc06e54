SELECT lane, epoch FROM lanes WHERE lane = ANY ($1::int[])
