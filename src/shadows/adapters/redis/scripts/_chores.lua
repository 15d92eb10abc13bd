-- What a claim does for calls with gates, beside leasing them.
-- Ask again for a call that waited for its moment.  Returns its mark, or nothing when it is to wait once more.
local function ask_again(key, seen, mark, id, attempt, when, lost, payload)
  local me = { key = key, mark = mark, watched = seen.watched, id = id, attempt = attempt, when = when, lost = lost, payload = payload }
  local word, reason = at_the_gates().ask(meet(me, seen.run))
  if word == 'admitted' then return word end
  if word == 'dropped' then return reason end
  if word == 'broken' then return mark end
end

-- What earlier scripts left undone, a bounded step.  Returns whether something is left again.
local function do_chores()
  local due = tried('ZRANGEBYSCORE', chores, '-inf', now(), 'LIMIT', 0, 10)
  if not due or #due == 0 then return false end
  at_the_gates().serve(due)
  return #call('ZRANGEBYSCORE', chores, '-inf', now(), 'LIMIT', 0, 1) > 0
end
