-- survey: 'counts' | 'scheduled' | 'parked' | 'held' | 'ready', where to begin, how many at most.
-- counts: {ms of the server's clock, scheduled, queued, running, parked, unknown, dead, ms from when the oldest ready call has been
-- ready or -1}.
-- scheduled, parked, held (begin is a rank): key, due, run, attempt, payload for each;  ready (begin is an id, '-' or '('id):
-- id, key, state ('' for a message that is no call), run, attempt, due, worker, started, fence, deliveries, cancel, 0 or 1 and the
-- successor, payload for each.
-- Guarantee: counts are exact at one moment and cost the same however long the lines are; a list is one bounded step.
local parked, NEWER = base .. '!parked', '!newer:60000'

-- The number of a message tells since when it has been there.
local function first_of(rows)
  if failed(rows) or not rows[1] then return math.huge end
  return tonumber(string.match(rows[1][1], '^%d+'))
end

-- What nobody has taken, what waits for a newer worker, and what is due though no worker was here to promote it.
local function oldest()
  local groups, delivered = try('XINFO', 'GROUPS', stream), '-'
  for _, group in ipairs(not failed(groups) and groups or {}) do
    local found = {}
    for i = 1, #group, 2 do found[group[i]] = group[i + 1] end
    if found.name == GROUP then delivered = '(' .. found['last-delivered-id'] end
  end
  local untaken = first_of(call('XRANGE', stream, delivered, '+', 'COUNT', 1))
  local newer = first_of(try('XPENDING', stream, GROUP, '-', '+', 1, NEWER))
  local due = tonumber(call('ZRANGE', queue, 0, 0, 'WITHSCORES')[2]) or math.huge
  local first = math.min(untaken, newer, due <= now() and due or math.huge)
  return first < math.huge and first or -1
end

local function count()
  local summary, unknown, letters = try('XPENDING', stream, GROUP), try('SCARD', strangers), try('XLEN', dead_letters)
  local waiting, struck = try('ZCARD', parked), try('ZCARD', at_strikes)
  local pending, newer = failed(summary) and 0 or summary[1], 0
  for _, row in ipairs(not failed(summary) and summary[4] or {}) do
    if row[1] == NEWER then newer = tonumber(row[2]) end
  end
  local length = call('XLEN', stream)
  return { now(), call('ZCARD', queue), math.max(0, length - pending + newer), pending - newer,
    (failed(waiting) and 0 or waiting) + (failed(struck) and 0 or struck), failed(unknown) and 0 or unknown,
    failed(letters) and 0 or letters, oldest() }
end

local function list_scheduled(from, most)
  local rows, out = call('ZRANGE', queue, from, from + most - 1, 'WITHSCORES'), {}
  for i = 1, #rows, 2 do
    local found = try('HMGET', runs .. rows[i], 'run', 'attempt', 'payload')
    if failed(found) then found = {} end
    local n = #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = rows[i], rows[i + 1], found[1] or '', found[2] or 1
    out[n + 5] = fetch(rows[i], found[3]) or ''
  end
  return out
end

local function list_parked(line, from, most)
  local keys, out = try('ZRANGE', line, from, from + most - 1), {}
  for _, key in ipairs(not failed(keys) and keys or {}) do
    local found, due = try('HMGET', runs .. key, 'run', 'attempt', 'payload'), try('HGET', base .. '!gates:' .. key, 'when')
    if failed(found) then found = {} end
    local n = #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = key, not failed(due) and due or '', found[1] or '', found[2] or 1
    out[n + 5] = fetch(key, found[3]) or ''
  end
  return out
end

local function list_ready(from, most)
  local out = {}
  for _, entry in ipairs(call('XRANGE', stream, from, '+', 'COUNT', most)) do
    local id, n = entry[1], #out
    local key, attempt, when, payload = read_entry(entry[2])
    local found = key and try('HMGET', runs .. key, 'id', 'state', 'run', 'lease', 'fence', 'cancel', 'successor', 'lost')
    local mine = found and not failed(found) and found[1] == id
    local state, run, lease, fence, cancel, successor, lost = unpack(mine and found or {}, 2, 8)
    local worker, started = read_lease(lease)
    out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, key or '', state or '', run or ''
    out[n + 5], out[n + 6], out[n + 7], out[n + 8] = attempt or '', when and due_of(id, when) or '', worker, started
    out[n + 9], out[n + 10], out[n + 11] = fence or '', state == 'running' and deliveries_of(id, lost) or 0, cancel or ''
    out[n + 12], out[n + 13], out[n + 14] = successor and 1 or 0, successor or '', payload or ''
  end
  return out
end

local function survey(first)
  local wrong = overwritten()
  if wrong then return wrong end
  local what, from, most = ARGV[first], ARGV[first + 1], tonumber(ARGV[first + 2])
  if what == 'scheduled' then return list_scheduled(tonumber(from), most) end
  if what == 'parked' then return list_parked(parked, tonumber(from), most) end
  if what == 'held' then return list_parked(at_strikes, tonumber(from), most) end
  if what == 'ready' then return list_ready(from, most) end
  return count()
end
