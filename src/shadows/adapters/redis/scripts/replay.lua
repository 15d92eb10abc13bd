-- replay: the strike position that these were judged with; '1' if they may have been sent before; then key, letter ('' for the failed run
--   whose record the key has), keep|struck, due, run for each.
-- Returns a word (replayed, already, struck, gone, broken) for each; or {{news}} as schedule does: then nothing was placed.
-- Guarantee: a call is placed in the step that removes its dead letter, or neither; a live key is untouched.
local function payload_of(letter, key)
  if not string.find(letter, '^%d+%-%d+$') then return nil end
  local found = call('XRANGE', dead_letters, letter, letter)[1]
  local fields, kept = found and found[2] or {}, {}
  for i = 1, #fields, 2 do kept[fields[i]] = fields[i + 1] end
  return kept.key == key and kept.payload or nil
end

-- What is kept of a run that failed: its letter, if it has one, and its payload.
local function failed_run(key)
  local state, letter, inline = unpack(call('HMGET', runs .. key, 'state', 'letter', 'payload'), 1, 3)
  if state ~= 'failed' then return '', nil end
  if letter then return letter, payload_of(letter, key) end
  return '', fetch(key, inline)
end

local function replay_one(repeated, key, letter, mode, due, run)
  local word = schedule_one(repeated, key, 'struck', due, run, '')  -- a repeated request is known by its run
  if word == 'scheduled' then return 'replayed' end
  if word == 'broken' then return word end
  local payload
  if letter == '' then
    if LIVE[call('HGET', runs .. key, 'state')] then return 'already' end
    letter, payload = failed_run(key)
  else
    payload = payload_of(letter, key)
  end
  if not payload then return 'gone' end
  word = schedule_one(false, key, mode, due, run, payload)
  if word ~= 'scheduled' then return word end
  if letter ~= '' then call('XDEL', dead_letters, letter) end
  return 'replayed'
end

local function replay(first)
  local wrong = overwritten() or no_strikes() or (failed(try('XLEN', dead_letters)) and dead_letters)
  if wrong then return wrong end
  local news = strike_news(ARGV[first])
  if news then return { news } end
  local repeated, words = ARGV[first + 1] == '1', {}
  for i = first + 2, #ARGV, 5 do words[#words + 1] = replay_one(repeated, unpack(ARGV, i, i + 4)) end
  finish()
  return words
end
