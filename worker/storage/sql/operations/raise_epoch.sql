-- Fences the owner: its next transaction fails, and it takes the lane again.
UPDATE lanes SET epoch = epoch + 1 WHERE lane = $1
