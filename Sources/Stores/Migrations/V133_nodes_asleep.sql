-- What node groups save while they sleep: the nodes that a group had when it was put to sleep, and a saving for each that was gone.

ALTER TABLE node_group_sleep ADD COLUMN nodes jsonb CHECK (jsonb_typeof(nodes) = 'object');  -- instance: microdollars per hour

ALTER TABLE saving DROP CONSTRAINT saving_form_check;
ALTER TABLE saving
    ADD CONSTRAINT saving_form_check CHECK (form IN ('cheaper', 'removed', 'gone', 'asleep', 'freed'));
