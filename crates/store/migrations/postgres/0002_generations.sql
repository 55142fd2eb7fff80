-- The number of partitions may change: with it a new generation begins, in the same inbox. How many partitions each
-- past generation had, so that its journal can be replayed; nothing in those that have as many as the game has now.
ALTER TABLE inboxes ADD COLUMN partitions INTEGER;
