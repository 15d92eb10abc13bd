-- report: key, id, fence, then field, value pairs.
-- Returns {1} if the lease still holds and its progress was merged, else {0}.
-- Guarantee: only the current holder of a running call reports, and progress lives no longer than its record.
local function report(first)
  local key, id, fence = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  local record = runs .. key
  local found = try('HMGET', record, 'state', 'fence', 'watched', 'reported', 'id')
  if failed(found) or found[1] ~= 'running' or found[2] ~= fence or found[5] ~= id then return { 0 } end
  if not found[4] then
    call('DEL', reports .. key)
    annotate(record, 'reported', 1)
  end
  if failed(try('HSET', reports .. key, unpack(ARGV, first + 3))) then return reports .. key end
  if found[3] then
    local hint = { 'progress', fence, now(), netstrings(ARGV, first + 3, #ARGV) }
    call('PUBLISH', base .. '!events:' .. key, table.concat(hint, ' '))
  end
  return { 1 }
end
