-- The straight way of the ordinary call that comes alone: new, for now, sent for the first time, while there are no strikes.  What schedule
-- would do of it is done before anything is made that it does not need; that is a third of its work.  Whatever is unusual goes on below,
-- and then nothing was written here.
if #ARGV == 9 and ARGV[5] == '' and (ARGV[6] == 'keep 1 ' or ARGV[6] == 'replace 1 ') then
  local call, try, base, key, run = redis.call, redis.pcall, ARGV[1], ARGV[7], ARGV[8]
  local record, waiting = runs .. key, try('LLEN', bell)
  if try('HGET', record, 'state') == false and try('XLEN', strike_log) == 0 and type(waiting) == 'number' then
    local id = try('XADD', KEYS[1], '*', 'v1', key, 'payload', ARGV[9])
    if type(id) == 'string' then
      if run == '' then
        call('HSET', record, 'state', 'queued', 'id', id)
      else
        call('HSET', record, 'state', 'queued', 'id', id, 'run', run)
      end
      if waiting < BELL_MAX and call('LPUSH', bell, '1') == 1 then call('PEXPIRE', bell, BELL_TTL) end
      return {}
    end
  end
end
