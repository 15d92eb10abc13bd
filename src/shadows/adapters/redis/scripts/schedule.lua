-- schedule: the strike position that these entries were judged with; '1' if they may have been sent before; then key,
--   keep|replace|struck, due, run, payload for each entry.
-- Returns a word (scheduled, already, struck, broken) and the run that now has the key for each entry; or {{news}} of the strike log
-- when that has gone on since: then nothing was placed.
-- Guarantee: for each key the look and the placement are one step; a live key is untouched unless it is replaced.
local function schedule_one(repeated, key, on_live, due, run, payload)
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'run', 'cancel', 'watched', 'successor', 'id')
  if failed(found) then return 'broken', '' end
  local state, owner, cancel, watched, successor, id = unpack(found, 1, 6)
  if run ~= '' and (owner == run or successor == run) then return 'scheduled', run end
  if repeated then
    local known = run == '' and (state and not owner or successor == '')
    local name = name_of(run, key)
    local score = not known and try('ZSCORE', requests, name)
    if known or just_remembered[name] or (score and not failed(score) and now() - score < REMEMBER) then return 'scheduled', run end
  end
  if on_live == 'struck' then return 'struck', '' end
  local stranded = is_stranded(state, id)
  if state == 'running' and not stranded then
    if on_live == 'keep' and (not cancel or successor) then return 'already', cancel and successor or owner or '' end
    if successor then remember(successor, key) end
    call('DEL', successors .. key)
    call('HSET', successors .. key, 'due', resolve(due) or now(), 'run', run, 'payload', payload)
    call('HSET', record, 'successor', run)
    return 'scheduled', run
  end
  if LIVE[state] and not stranded then
    if on_live == 'keep' then return 'already', owner or '' end
    displace(key, record, state)
    announce(key, 'superseded', watched)
  end
  if stranded then
    call('DEL', successors .. key)
    let_go_if_gated(key)
  end
  if state then
    remember(owner, key)
    wipe(key, record)
  end
  if run == '' then
    place(key, record, resolve(due), 1, payload)
  else
    place(key, record, resolve(due), 1, payload, 'run', run)
  end
  return 'scheduled', run
end

local function schedule(first)
  local wrong = overwritten() or no_strikes()
  if wrong then return wrong end
  local news = strike_news(ARGV[first])
  if news then return { news } end
  local repeated, answers = ARGV[first + 1] == '1', {}
  for i = first + 2, #ARGV, 5 do
    local word, run = schedule_one(repeated, unpack(ARGV, i, i + 4))
    answers[#answers + 1] = word
    answers[#answers + 1] = run
  end
  finish()
  return answers
end
