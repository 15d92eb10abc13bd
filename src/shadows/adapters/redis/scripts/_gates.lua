-- What a call does at its gates: it asks, passes, waits, is woken, and lets go.
-- NAME:!gates:<key> is a hash of what the call holds or waits for: list (lines of 'kind name most span drop'), arrival (its place in every
-- line: the fence under which this attempt first asked), at (the line it waits in), when, calm (its debounces have let it pass).
-- The record has only the mark: admitted, parked; reserved and settling, which ask again when their moment has come; the reason of
-- a drop; idle (it holds nothing, but something is remembered).
local chores = base .. '!chores'
local doors
local moves = 200  -- how many parked calls this script may still move; the next claim goes on

local function parse(list)
  local gates = {}
  for kind, name, most, span, drop in string.gmatch(list, '(%a+) (%S+) (%d+) (%d+) (%d)') do
    local gate = { kind = kind, name = name, most = tonumber(most), span = tonumber(span), drop = drop == '1' }
    if kind == 'slots' then
      gate.set, gate.at = base .. 'concurrency:' .. name, '!line:' .. name
    elseif kind == 'rate' then
      gate.set, gate.at = base .. '!rate:' .. span .. ':' .. name, '!paced:' .. span .. ':' .. name
    end
    gate.line = gate.at and base .. gate.at
    gates[#gates + 1] = gate
  end
  return gates
end

-- The call as its gates see it; `me` has its key and mark, and while a message holds it: id, attempt, when, lost, payload.
local function meet(me, run, list)
  local kept = tried('HMGET', gated .. me.key, 'list', 'arrival', 'calm', 'at', 'when')
  if not kept then
    call('DEL', gated .. me.key)
    kept = {}
  end
  me.record, me.who, me.list = runs .. me.key, (run or '') .. ' ' .. me.key, list or kept[1] or ''
  me.gates, me.arrival, me.calm, me.at, me.when = parse(me.list), tonumber(kept[2]), kept[3], kept[4], me.when or kept[5]
  return me
end

local function make_doors()
  local look = make_look()
  local wake
  local self = {}

  -- Go on with a line that could not be served to the end, after a while.
  local function note(name, ms)
    if failed(try('ZADD', chores, now() + ms, 'wake ' .. name)) then call('DEL', chores) end
    if ms == 0 then placed = placed + 1 end
  end

  local function make_ready(key, attempt, when, inline, watched)
    local payload = fetch(key, inline) or ''
    enqueue(key, runs .. key, attempt or '1', when or '', payload)
    unstash(key, runs .. key, inline)
    announce(key, 'queued', watched)
  end

  -- The one that a newer call displaces is dropped, and made ready at once to be settled.
  local function displace_older(who)
    local run, key = string.match(who, '^(%S*) (.*)$')
    local found = key and tried('HMGET', runs .. key, 'run', 'gate', 'state', 'attempt', 'payload', 'watched')
    if not found or found[2] ~= 'settling' or (found[1] or '') ~= run then return end
    call('HSET', runs .. key, 'gate', 'debounced')
    local due = found[3] == 'scheduled' and call('ZSCORE', queue, key)
    if due then
      leave_queue(key)
      make_ready(key, found[4], due, found[5], found[6])
    end
  end

  local function become_newest(me)
    for _, gate in ipairs(me.gates) do
      if gate.kind == 'debounce' then
        displace_older(call('GET', latest .. gate.name) or '')
        call('SET', latest .. gate.name, me.who, 'PX', gate.span + 60000)
      end
    end
  end

  local function grow_calm(me)
    if me.calm then return end
    for _, gate in ipairs(me.gates) do
      if gate.kind == 'debounce' then
        me.calm = 1
        if call('GET', latest .. gate.name) == me.who then call('DEL', latest .. gate.name) end
      end
    end
  end

  local function take_all(me)
    for _, gate in ipairs(me.gates) do
      if gate.kind == 'slots' then
        call('SADD', gate.set, me.key)
      elseif gate.kind == 'rate' then
        call('ZREMRANGEBYSCORE', gate.set, '-inf', now() - gate.span)
        call('ZADD', gate.set, 'NX', now(), me.arrival)
        call('PEXPIRE', gate.set, gate.span + 60000)
      elseif gate.kind == 'cooldown' then
        local till, who = string.match(call('GET', cooldowns .. gate.name) or '', '^(%d+) (.*)$')
        if who ~= me.who or tonumber(till) <= now() then
          call('SET', cooldowns .. gate.name, now() + gate.span .. ' ' .. me.who, 'PX', gate.span)
        end
      end
    end
  end

  -- Note where it stands now, and that it waits at no other line.
  local function stand(me, mark, at)
    if me.at then tried('ZREM', base .. me.at, me.key) end
    if me.at and not at then call('HDEL', gated .. me.key, 'at') end
    me.at, me.mark = at, mark
    annotate(me.record, 'gate', mark)
    call('HSET', gated .. me.key, 'list', me.list, 'arrival', me.arrival, 'when', me.when or '')
    if at then call('HSET', gated .. me.key, 'at', at) end
    if me.calm then call('HSET', gated .. me.key, 'calm', 1) end
  end

  -- From now on the record holds the call, and no message.
  local function rest(me, state)
    if not me.id then return call('HSET', me.record, 'state', state) end
    forget(me.id)
    call('HDEL', me.record, 'lease', 'fence', 'lost', 'unknown', 'attempt')
    stash(me.key, me.record, me.payload, 'state', state)
    if tonumber(me.attempt) > 1 then call('HSET', me.record, 'attempt', me.attempt) end
    if me.lost > 0 then call('HSET', me.record, 'lost', me.lost) end
  end

  local function wait(me, state, mark, gate)
    rest(me, state)
    stand(me, mark, gate and gate.at)
    if gate then call('ZADD', gate.line, me.arrival, me.key) end
    announce(me.key, state, me.watched, me.fence)
  end

  -- Let the call pass all of its gates, or none, and put it where that leaves it.  Returns what look returned, and the reason of a drop.
  function self.ask(me)
    local word, detail, gate = look(me)
    if word == 'broken' then return word, detail end
    if word == 'delayed' and not gate then
      become_newest(me)
    elseif detail ~= 'debounced' then
      grow_calm(me)
    end
    if word == 'admitted' then
      take_all(me)
      stand(me, 'admitted')
    elseif word == 'dropped' then
      stand(me, detail)
      return word, detail
    elseif word == 'parked' then
      tried('ZADD', parked, me.arrival, me.key)
      wait(me, word, word, gate)
    else
      enter_queue(detail, me.key)
      if not soonest or detail < soonest then soonest = detail end
      wait(me, 'scheduled', gate and 'reserved' or 'settling', gate)
    end
    return word, ''
  end

  -- The call that waits first in this line, and the gate; only its key where there is no such call any more.
  local function first_of(line)
    local head = tried('ZRANGE', line, 0, 0)
    local key = head and head[1]
    local found = key and tried('HMGET', runs .. key, 'state', 'run', 'attempt', 'payload', 'watched')
    if not found or found[1] ~= 'parked' then return key end
    local me = meet({ key = key, mark = 'parked', attempt = found[3], inline = found[4], watched = found[5] }, found[2])
    for _, gate in ipairs(me.gates) do
      if gate.line == line then return key, me, gate end
    end
    return key
  end

  -- Let those pass who wait longest for these slots, as far as there are any.
  function wake(name)
    local line = base .. '!line:' .. name
    local key, me, gate = first_of(line)
    while key do
      local held = gate and tried('SCARD', gate.set)
      if held and held >= gate.most then return end
      if gate and not held then return note(name, 1000) end
      if moves < 1 then return note(name, 0) end
      moves = moves - 1
      call('ZREM', line, key)
      tried('ZREM', parked, key)
      if me then
        local word = self.ask(me)
        if word == 'broken' then
          call('ZADD', line, me.arrival, key)
          tried('ZADD', parked, me.arrival, key)
          return note(name, 1000)
        end
        if word == 'admitted' or word == 'dropped' then make_ready(key, me.attempt, me.when, me.inline, me.watched) end
      end
      key, me, gate = first_of(line)
    end
  end

  -- Give back what the attempt holds or waits for, and wake those who get it.  `keep`: nothing when the run is over, 'run' when another
  -- attempt follows, 'attempt' when this one comes back.
  function self.let_go(key, keep)
    local me, freed = meet({ key = key }), {}
    for _, gate in ipairs(me.gates) do
      if gate.kind == 'slots' and tried('SREM', gate.set, key) ~= 0 then freed[#freed + 1] = gate.name end
    end
    if me.at then
      tried('ZREM', base .. me.at, key)
      local name = string.match(me.at, '^!line:(.*)$')
      if name then
        tried('ZREM', parked, key)
        freed[#freed + 1] = name
      end
    end
    if keep == 'attempt' or (keep and me.calm) then
      call('HDEL', gated .. key, 'list', 'at', 'when', keep == 'run' and 'arrival' or 'at')
      annotate(me.record, 'gate', 'idle')
    else
      call('DEL', gated .. key)
      tried('HDEL', me.record, 'gate')
    end
    for _, name in ipairs(freed) do wake(name) end
  end

  -- Serve the lines that an earlier script left.
  function self.serve(due)
    for _, chore in ipairs(due) do
      local name = string.match(chore, '^wake (.*)$')
      if name then
        call('ZREM', chores, chore)
        wake(name)
      end
    end
  end

  return self
end

local function at_the_gates()
  doors = doors or make_doors()
  return doors
end

function let_go(key, keep) at_the_gates().let_go(key, keep) end
