"""The scripts that Redis runs to look at jobs, and to change those that do not run."""

from __future__ import annotations

from quartpatterns.tasks.scripts import COMMON

__all__ = ["JOBS", "PURGE", "RETRY", "STATS"]

JOBS = (
    COMMON
    + """
-- KEYS: the queues. ARGV: the state and the offset, or 'id' and the id; how many; the longest
-- data of a job or result that is returned whole.
-- Return the time, the number of ids that were looked at, and for each job its id, queue, and what
-- is known about it. Nothing is changed.
local state, offset, number, longest = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = now()
local stamp = string.format('%.3f', time)
local rows, looked = {}, 0
local function whole(key)
  if redis.call('STRLEN', key) <= longest then return redis.call('GET', key) end
  return redis.call('GETRANGE', key, 0, 2000)
end
local function row(queue, id)
  local run = redis.call('HMGET', RUN .. id, 'worker', 'started', 'deliveries', 'error')
  local data = whole(JOB .. id)
  if not data then data = redis.call('HGET', queue .. ':failed:jobs', id) end
  if data and #data > longest then data = data:sub(1, 2000) end
  rows[#rows + 1] = {
    id, queue, redis.call('ZSCORE', queue, id), data, run[1], run[2], run[3], run[4],
    redis.call('GET', TRIES .. id), redis.call('GET', PROGRESS .. id),
    redis.call('EXISTS', LEASE .. id), redis.call('HGET', queue .. ':failed:info', id),
    whole(RESULT .. id),
  }
end
if state == 'id' then
  for _, queue in ipairs(KEYS) do
    local id = offset
    if redis.call('ZSCORE', queue, id) or redis.call('ZSCORE', queue .. ':failed', id) then
      row(queue, id)
    end
  end
  if #rows == 0 and redis.call('EXISTS', RESULT .. offset) == 1 then row(KEYS[1], offset) end
  return {stamp, #rows, rows}
end
local queue, ids = KEYS[1], {}
offset = tonumber(offset)
if state == 'queued' then
  ids = redis.call('ZRANGEBYSCORE', queue, '-inf', stamp, 'LIMIT', offset, number)
elseif state == 'scheduled' then
  ids = redis.call('ZRANGEBYSCORE', queue, '(' .. stamp, '+inf', 'LIMIT', offset, number)
elseif state == 'running' then
  ids = redis.call('ZRANGE', queue .. ':running', offset, offset + number - 1)
elseif state == 'failed' then
  ids = redis.call('ZREVRANGE', queue .. ':failed', offset, offset + number - 1)
else
  ids = redis.call('ZREVRANGE', queue .. ':ended', offset, offset + number - 1)
end
for _, id in ipairs(ids) do row(queue, id) end
return {stamp, #ids, rows}
"""
)

STATS = (
    COMMON
    + """
-- KEYS: the queue. Return numbers of jobs: queued, scheduled, running, failed, ended; the
-- milliseconds that the oldest queued job has waited; and how jobs have ended.
local queue, time = KEYS[1], now()
local stamp = string.format('%.3f', time)
local due = redis.call('ZCOUNT', queue, '-inf', stamp)
local running = redis.call('ZCARD', queue .. ':running')
local first = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
return {
  due, math.max(0, redis.call('ZCARD', queue) - due - running), running,
  redis.call('ZCARD', queue .. ':failed'), redis.call('ZCARD', queue .. ':ended'),
  first[2] and math.max(0, math.floor(time - first[2])) or 0,
  redis.call('HGETALL', queue .. ':counts'),
}
"""
)

RETRY = (
    COMMON
    + """
-- KEYS: the queue. ARGV: the id, milliseconds that the job may wait.
-- Return 'queued' for a failed job that is queued again, or one that waits for its time and may now
-- start; 'running'; 'lost' for a failed job whose data has expired; or 'unknown'.
local queue, id = KEYS[1], ARGV[1]
local time = now()
if redis.call('ZSCORE', queue, id) then
  if redis.call('EXISTS', LEASE .. id) == 1 then return 'running' end
  put(queue, time, id)
  wake(queue, 1)
  return 'queued'
end
if not redis.call('ZSCORE', queue .. ':failed', id) then return 'unknown' end
local job = redis.call('HGET', queue .. ':failed:jobs', id)
if not job then return 'lost' end
redis.call('SET', JOB .. id, job)
redis.call('DEL', RESULT .. id, TRIES .. id, RUN .. id, PROGRESS .. id)
redis.call('ZREM', ABORTED, id)
redis.call('HSET', RUN .. id, 'expires', string.format('%.0f', time + ARGV[2]))
forget_failure(queue, id)
put(queue, time, id)
wake(queue, 1)
return 'queued'
"""
)

PURGE = (
    COMMON
    + """
-- KEYS: the queue. ARGV: the state, how many, how many to skip; or 'id' and the id.
-- Return the number of ids that were looked at, of jobs that were deleted, and the ids of those on
-- which others depend, which stay: they have to be revoked. Jobs that run stay.
local queue, state, number, skip, deleted = KEYS[1], ARGV[1], ARGV[2], ARGV[3], 0
local linked = {}
local stamp = string.format('%.3f', now())
local ids
if state == 'id' then
  ids = {number}
elseif state == 'failed' then
  ids = redis.call('ZRANGE', queue .. ':failed', 0, number - 1)
elseif state == 'done' then
  ids = redis.call('ZRANGE', queue .. ':ended', 0, number - 1)
elseif state == 'queued' then
  ids = redis.call('ZRANGEBYSCORE', queue, '-inf', stamp, 'LIMIT', skip, number)
else
  ids = redis.call('ZRANGEBYSCORE', queue, '(' .. stamp, '+inf', 'LIMIT', skip, number)
end
for _, id in ipairs(ids) do
  local found = false
  if state == 'failed' or state == 'id' then found = forget_failure(queue, id) end
  if state == 'done' or state == 'id' then
    found = redis.call('ZREM', queue .. ':ended', id) == 1 or found
  end
  if redis.call('ZSCORE', queue, id) then
    local free = redis.call('EXISTS', LEASE .. id) == 0
    if state == 'failed' or state == 'done' or not free then
      -- It stays.
    elseif string.find(redis.call('GET', JOB .. id) or '', '"then":', 1, true) then
      linked[#linked + 1] = id
    else
      redis.call('ZREM', queue, id)
      redis.call('ZREM', queue .. ':running', id)
      redis.call('ZREM', ABORTED, id)
      free_slot(id)
      redis.call('DEL', JOB .. id, TRIES .. id, RUN .. id, PROGRESS .. id)
      found = true
    end
  elseif found then
    redis.call('DEL', RESULT .. id, PROGRESS .. id)
  end
  if found then deleted = deleted + 1 end
end
return {#ids, deleted, linked}
"""
)
