-- schedule: the strike position that these entries were judged with; '1' if they may have been sent before; then key,
--   keep|replace|struck, due, run, payload for each entry.
-- Returns a word (scheduled, already, struck, broken) and the run that now has the key for each entry; or {{news}} of the strike log
-- when that has gone on since: then nothing was placed.
-- Guarantee: for each key the look and the placement are one step; a live key is untouched unless it is replaced.
local function schedule(first)
  local is_alone = #ARGV == first + 6  -- then its own commands tell whether they can write
  local wrong = (not is_alone and overwritten()) or no_strikes()
  if wrong then return wrong end
  local news = strike_news(ARGV[first])
  if news then return { news } end
  local repeated, answers = ARGV[first + 1] == '1', {}
  for i = first + 2, #ARGV, 5 do
    local word, run = schedule_one(repeated, unpack(ARGV, i, i + 4))
    if not word then return run end
    answers[#answers + 1] = word
    answers[#answers + 1] = run
  end
  finish()
  return answers
end
