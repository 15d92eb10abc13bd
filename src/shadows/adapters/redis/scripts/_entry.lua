-- Place a first attempt for now, as nearly all are, under a key that nothing is known of.  The fewer fields an entry has, the sooner those
-- behind it are found and deleted, so this one says nothing that most would say alike.
local function add_new(key, record, run, payload)
  local id = try('XADD', stream, '*', 'v1', key, 'payload', payload)
  if failed(id) then return nil, stream end
  if run == '' then
    call('HSET', record, 'state', 'queued', 'id', id)
  else
    call('HSET', record, 'state', 'queued', 'id', id, 'run', run)
  end
  placed = placed + 1
  return 'scheduled', run
end

-- Place one call, which is new, or is replayed.  Returns a word (scheduled, already, struck, broken) and the run that has the key; or nothing
-- and the key of ours that holds something else: then nothing was written.
local function schedule_one(repeated, key, on_live, due, run, payload)
  local record = runs .. key
  local state = try('HGET', record, 'state')
  if state == false and due == '' and not repeated and on_live ~= 'struck' then return add_new(key, record, run, payload) end
  if failed(state) then return 'broken', '' end
  local owner, cancel, watched, successor, id
  if state then owner, cancel, watched, successor, id = unpack(call('HMGET', record, 'run', 'cancel', 'watched', 'successor', 'id'), 1, 5) end
  if run ~= '' and (owner == run or successor == run) then return 'scheduled', run end
  if repeated then
    local known = run == '' and (state and not owner or successor == '')
    local name = name_of(run, key)
    local score = not known and try('ZSCORE', requests, name)
    if known or just_remembered[name] or (score and not failed(score) and now() - score < REMEMBER) then return 'scheduled', run end
  end
  if on_live == 'struck' then return 'struck', '' end
  local wrong = state and overwritten()
  if wrong then return nil, wrong end
  local stranded = state and is_stranded(state, id)
  if state == 'running' and not stranded then
    if on_live == 'keep' and (not cancel or successor) then return 'already', cancel and successor or owner or '' end
    if successor then remember(successor, key) end
    call('DEL', successors .. key)
    call('HSET', successors .. key, 'due', resolve(due) or now(), 'run', run, 'payload', payload)
    annotate(record, 'successor', run)
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
  local moment = due ~= '' and resolve(due)
  if run == '' then
    wrong = place(key, record, moment, '1', payload)
  else
    wrong = place(key, record, moment, '1', payload, 'run', run)
  end
  return not wrong and 'scheduled', wrong or run
end
