-- What finds the rows of a day among all accounts: both tables grow in order of time, so a few pages of ranges are enough, and
-- writing pays nothing for them.
CREATE INDEX credits_entry_day ON credits_entry USING brin (created_at) WITH (autosummarize = on, pages_per_range = 32);
CREATE INDEX credits_usageday_day ON credits_usageday USING brin (day_date) WITH (autosummarize = on, pages_per_range = 32);
