-- read: key, '1' to watch, '1' for the payload, '1' for the result, '1' for its standing; then, if a run is meant, that run.
-- Returns an empty list, or {state, run, attempt, due, fence, worker, started, ended, task, reason, deliveries, cancel, successor,
-- payload, result, letter, standing}; '' stands for none, and 0 or 1 before the payload and the result say whether there is one.
-- standing is empty, or {its gates, at which of them ('kind name' or, of a rate, 'kind name span'), how many stand before it, how many
-- are inside, strike, since when unknown, a few holders}.
-- Guarantee: one moment's truth; `watch` asks for this record's events in the same step, so no end falls between reading and listening.
-- Of a run that another one has followed it is the run's own record, as long as that is kept.
-- The payload of a dead letter lies with it.
local function payload_of_letter(id)
  local letter = try('XRANGE', dead_letters, id, id)
  local fields = not failed(letter) and letter[1] and letter[1][2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == 'payload' then return fields[i + 1] end
  end
end

local FEW = 5

-- In which line a waiting call stands, behind whom, and who has passed.
local function place_of(key, at)
  local slots = string.match(at, '^!line:(.*)$')
  local span, rate = string.match(at, '^!paced:(%d+):(.*)$')
  local set = slots and base .. 'concurrency:' .. slots or rate and base .. '!rate:' .. span .. ':' .. rate
  if not set then return '', 0, 0, {} end
  local before = tried('ZRANK', base .. at, key) or 0
  if slots then
    local inside = tried('SCARD', set) or 0
    return 'slots ' .. slots, before, inside, inside > 0 and call('SRANDMEMBER', set, FEW) or {}
  end
  return 'rate ' .. rate .. ' ' .. span, before, tried('ZCOUNT', set, '(' .. now() - tonumber(span), '+inf') or 0, {}
end

local function standing_of(key, record)
  local mark, strike, unknown = unpack(call('HMGET', record, 'gate', 'strike', 'unknown'), 1, 3)
  local kept = mark and tried('HMGET', gated .. key, 'list', 'at') or {}
  local gate, before, inside, holders = place_of(key, kept[2] or '')
  if mark == 'settling' then gate = 'debounce' end
  if kept[2] ~= '!held' then strike = '' end  -- one that was lifted may still stand in the record
  return { kept[1] or '', gate, before, inside, strike or '', unknown or '', unpack(holders) }
end

-- A run whose key went on by itself has its record among the past ones.
local function read_past(run, key, payload, result)
  local found = try('HMGET', past_of(run, key), 'state', 'attempt', 'fence', 'lease', 'ended', 'task', 'reason', 'payload', 'result', 'letter',
    'cancel')
  if failed(found) or not found[1] then return nil end
  local state, attempt, fence, lease, ended, task, reason, kept, outcome, letter, cancel = unpack(found, 1, 11)
  local worker, started = read_lease(lease)
  payload, result = payload and (letter and payload_of_letter(letter) or kept), result and outcome
  return { state, run, attempt or 1, '', fence or '', worker, started, ended or '', task or '', reason or '',
    0, cancel or '', 0, '', payload and 1 or 0, payload or '', result and 1 or 0, result or '', letter or '', {} }
end

local function read(first)
  local key = ARGV[first]
  local record = runs .. key
  local wrong = overwritten()
  if wrong then return wrong end
  local found = try('HMGET', record, 'state', 'run', 'attempt', 'id', 'fence', 'lease', 'ended', 'task', 'reason',
    'cancel', 'successor', 'payload', 'lost', 'letter')
  if failed(found) then return record end
  local state, run, attempt, id, fence, lease, ended, task, reason, cancel, successor, payload, lost, letter = unpack(found, 1, 14)
  local worker, started = read_lease(lease)
  local wanted = ARGV[first + 5]
  if wanted and not (state and (run or '') == wanted) then
    local kept = read_past(wanted, key, ARGV[first + 2] == '1', ARGV[first + 3] == '1')
    if kept then return kept end
  end
  if not state then return {} end
  local due, deliveries, result = '', 0, nil
  if state == 'queued' or state == 'running' then
    local entry = id and call('XRANGE', stream, id, id)[1]
    if entry then
      local _, number, when, arguments = read_entry(entry[2])
      attempt, due, payload = number, when and due_of(id, when) or '', arguments
    end
    if state == 'running' then deliveries = deliveries_of(id, lost) end
  elseif state == 'scheduled' then
    due = call('ZSCORE', queue, key) or ''
  elseif state == 'parked' then
    due = try('HGET', gated .. key, 'when')
    if failed(due) or not due then due = '' end
  end
  -- Whoever may only look is not heard here; such a watcher looks again by itself.
  if ARGV[first + 1] == '1' and LIVE[state] then redis.pcall('HSET', record, 'watched', 1, 'more', 1) end
  if letter then payload = payload_of_letter(letter) end
  payload = ARGV[first + 2] == '1' and fetch(key, payload) or nil
  if ARGV[first + 3] == '1' then
    result = try('GET', results .. key)
    if failed(result) then result = nil end
  end
  local waits = ARGV[first + 4] == '1' and LIVE[state] and state ~= 'running'
  return { state, run or '', attempt or 1, due, fence or '', worker, started, ended or '', task or '', reason or '',
    deliveries, cancel or '', successor and 1 or 0, successor or '', payload and 1 or 0, payload or '', result and 1 or 0, result or '',
    letter or '', waits and standing_of(key, record) or {} }
end
