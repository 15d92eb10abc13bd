-- schedule: the strike position that these entries were judged with, with a '!' behind it if they may have been sent before; then groups of
--   entries: 'keep|replace|struck count due' for all of a group, and key, run, payload for each.
-- Returns a number, a word (already, struck, broken) and the run that has the key for each that was not simply placed; they are counted from
--   0.  Or {{news}} of the strike log when that has gone on since: then nothing was placed.
-- Guarantee: for each key the look and the placement are one step; a live key is untouched unless it is replaced.
local ENTRY = 3

local function schedule(first)
  local is_alone = #ARGV == first + 1 + ENTRY  -- then its own commands tell whether they can write
  local wrong = (not is_alone and overwritten()) or no_strikes()
  if wrong then return wrong end
  local position, again = string.match(ARGV[first], '^([^!]*)(!?)$')
  local news = strike_news(position)
  if news then return { news } end
  local repeated, answers, i, n = again == '!', {}, first + 1, 0
  while i <= #ARGV do
    local on_live, count, due = string.match(ARGV[i], '^(%a+) (%d+) (.*)$')
    local last = i + ENTRY * count
    for at = i + 1, last, ENTRY do
      local word, run = schedule_one(repeated, ARGV[at], on_live, due, ARGV[at + 1], ARGV[at + 2])
      if not word then return run end
      if word ~= 'scheduled' then answers[#answers + 1], answers[#answers + 2], answers[#answers + 3] = n, word, run end
      n = n + 1
    end
    i = last + 1
  end
  finish()
  return answers
end
