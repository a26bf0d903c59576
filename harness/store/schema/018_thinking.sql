-- Version 18: thinking is taken off answers before they are marked; what came stays in completions, to the letter.
alter table completions add column reasoning varchar default '';  -- thinking that a server gave apart from the text
alter table answers add column answer varchar;                    -- what was marked, where thinking was taken off the text
alter table answers add column thinking varchar default 'none';   -- none, empty, closed, cut or unclear
