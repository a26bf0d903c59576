-- Version 10: what a reward model was checked on belongs to its training, which several experiments may share.
alter table training add column preferred json;         -- pairs of (a held-out prompt's number, 1, 0.5 or 0)
