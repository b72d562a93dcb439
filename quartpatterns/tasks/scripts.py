"""The scripts that Redis runs: each changes several jobs in one step and in one round trip.

Keys in Redis, besides those of arq:

* The queue is a sorted set of ids. The score is the time, in milliseconds, from which a worker may
  take the job. A job that runs stays in it: its score is the end of its lease. So the job of a
  worker that died is due again by itself.
* ``tasks:run:ID`` is a hash about a job that has been started. ``worker`` is the worker that runs
  it. ``deliveries`` counts how often it was started. ``suspect`` is 1 if a worker died while the
  job ran. ``alone`` is 1 if it is the only suspect that its worker runs. ``crashes`` counts the
  workers that died while it was the only suspect. ``handover`` is 1 if its worker has said that it
  stops.
* ``QUEUE:wake`` is a list: a worker that waits for jobs takes an item from it.
* ``tasks:revoked:WORKER`` is a list of the jobs that a worker has to cancel.
"""

from __future__ import annotations

from quartpatterns.tasks.arq_format import (
    ABORTED,
    IN_PROGRESS_PREFIX,
    JOB_PREFIX,
    RESULT_PREFIX,
    TRIES_PREFIX,
)

__all__ = [
    "CLAIM",
    "ENQUEUE",
    "FINISH",
    "HAND_OVER",
    "RENEW",
    "REVOKE",
    "revoked_key",
    "wake_key",
]

RUN_PREFIX = "tasks:run:"
REVOKED_PREFIX = "tasks:revoked:"

_COMMON = f"""
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end
local function put(queue, time, id)
  redis.call('ZADD', queue, string.format('%.3f', time), id)
end
local function wake(queue, jobs)
  for _ = 1, math.min(jobs, 100) do redis.call('LPUSH', queue .. ':wake', '1') end
  redis.call('LTRIM', queue .. ':wake', 0, 99)
  redis.call('PEXPIRE', queue .. ':wake', 60000)
end
local JOB, RESULT, TRIES = '{JOB_PREFIX}', '{RESULT_PREFIX}', '{TRIES_PREFIX}'
local LEASE, RUN, ABORTED = '{IN_PROGRESS_PREFIX}', '{RUN_PREFIX}', '{ABORTED}'
local REVOKED = '{REVOKED_PREFIX}'
"""

ENQUEUE = (
    _COMMON
    + """
-- KEYS: the queue. ARGV, for each job: id, data, start, whether start is a time or a delay,
-- milliseconds to keep the data, whether they count from the start or from now, milliseconds in
-- which no other job may use the id.
-- Return for each job whether it was queued.
local queued, jobs = {}, 0
local time = now()
for i = 1, #ARGV, 7 do
  local id, data, start = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local unique = tonumber(ARGV[i + 6])
  local delay = ARGV[i + 3] == 'at' and math.max(0, start - time) or start
  local new = redis.call('EXISTS', JOB .. id, RESULT .. id) == 0
  if new and unique > 0 then
    new = redis.call('SET', RUN .. 'unique:' .. id, '1', 'NX', 'PX', unique)
  end
  if new then
    local keep = ARGV[i + 4] + (ARGV[i + 5] == 'start' and delay or 0)
    redis.call('SET', JOB .. id, data, 'PX', math.ceil(keep))
    put(KEYS[1], time + delay + i / 7000, id)
    jobs = jobs + 1
  end
  queued[#queued + 1] = new and 1 or 0
end
wake(KEYS[1], jobs)
return queued
"""
)

CLAIM = (
    _COMMON
    + """
-- KEYS: the queues, the most important first. ARGV: the worker, the lease in milliseconds, the
-- number of jobs, whether one of them may be a suspect.
-- Return the milliseconds until the next job is due (or -1), then for each job its id, queue, data,
-- tries, deliveries, crashes, and whether it is a suspect.
local worker, lease, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local suspect_allowed = ARGV[4] == '1'
local time = now()
local claimed, next_due = {}, -1

local function claim(queue, id)
  if redis.call('EXISTS', LEASE .. id) == 1 then return false end
  local run = redis.call('HMGET', RUN .. id, 'worker', 'alone', 'crashes', 'suspect', 'handover')
  local crashes, suspect = tonumber(run[3] or 0), run[4] == '1'
  if run[1] and run[5] ~= '1' then
    suspect = true
    if run[2] == '1' then crashes = crashes + 1 end
  end
  if suspect and not suspect_allowed then return false end
  redis.call('SET', LEASE .. id, worker, 'PX', lease)
  redis.call('HSET', RUN .. id, 'worker', worker, 'alone', suspect and '1' or '0',
    'crashes', crashes, 'suspect', suspect and '1' or '0', 'handover', '0')
  put(queue, time + lease, id)
  local data = redis.call('GET', JOB .. id)
  if data then redis.call('PERSIST', JOB .. id) end
  if suspect then suspect_allowed = false end
  claimed[#claimed + 1] = {
    id, queue, data or '', tonumber(redis.call('GET', TRIES .. id) or 0),
    redis.call('HINCRBY', RUN .. id, 'deliveries', 1), crashes, suspect and 1 or 0,
  }
  free = free - 1
  return true
end

for _, queue in ipairs(KEYS) do
  local skipped = 0
  -- All jobs that are due now are looked at, so nobody has to be woken for them.
  if free > 0 then redis.call('DEL', queue .. ':wake') end
  while free > 0 and skipped < 5000 do
    local ids = redis.call('ZRANGEBYSCORE', queue, '-inf', time, 'LIMIT', skipped, 100)
    for _, id in ipairs(ids) do
      if free > 0 and not claim(queue, id) then skipped = skipped + 1 end
    end
    if #ids < 100 then break end
  end
  if free == 0 then wake(queue, 1) end
  local first = redis.call('ZRANGEBYSCORE', queue, '(' .. string.format('%.3f', time), '+inf',
    'WITHSCORES', 'LIMIT', 0, 1)
  if first[2] then
    local wait = math.ceil(first[2] - time)
    if next_due < 0 or wait < next_due then next_due = wait end
  end
end
return {next_due, claimed}
"""
)

RENEW = (
    _COMMON
    + """
-- ARGV: the worker, the lease in milliseconds, then for each job its queue and id.
-- Return the ids of the jobs that another worker runs.
local worker, lease, lost = ARGV[1], tonumber(ARGV[2]), {}
local time = now()
for i = 3, #ARGV, 2 do
  local queue, id = ARGV[i], ARGV[i + 1]
  local owner = redis.call('HGET', RUN .. id, 'worker')
  if owner == worker then
    redis.call('SET', LEASE .. id, worker, 'PX', lease)
    if redis.call('ZSCORE', queue, id) then put(queue, time + lease, id) end
  elseif owner then
    lost[#lost + 1] = id
  end
end
return lost
"""
)

FINISH = (
    _COMMON
    + """
-- ARGV: the worker, then for each job its queue, id, what to do, data of the result, milliseconds.
--   'done': the job has ended. Keep the result for so long; for 0, keep none.
--   'retry': start it again after so long, and count a try.
--   'back': another worker may start it now.
-- Return the ids of the jobs that another worker runs, which are not changed.
local worker, lost = ARGV[1], {}
local time = now()
for i = 2, #ARGV, 5 do
  local queue, id, action, data, ms = unpack(ARGV, i, i + 4)
  ms = tonumber(ms)
  local owner = redis.call('HGET', RUN .. id, 'worker')
  if owner and owner ~= worker then
    lost[#lost + 1] = id
  elseif action == 'done' then
    if ms > 0 then redis.call('SET', RESULT .. id, data, 'PX', ms) end
    -- A worker runs one suspect at a time, so the next one has waited for this.
    if redis.call('HGET', RUN .. id, 'suspect') == '1' then wake(queue, 1) end
    redis.call('DEL', JOB .. id, TRIES .. id, LEASE .. id, RUN .. id)
    redis.call('ZREM', queue, id)
    redis.call('ZREM', ABORTED, id)
  elseif owner then
    redis.call('DEL', LEASE .. id)
    redis.call('HDEL', RUN .. id, 'worker', 'alone')
    if action == 'retry' then
      redis.call('INCR', TRIES .. id)
      redis.call('PEXPIRE', TRIES .. id, ms + 86400000)
      redis.call('HSET', RUN .. id, 'suspect', '0', 'crashes', '0')
    end
    if redis.call('EXISTS', JOB .. id) == 1 then
      put(queue, time + ms, id)
      wake(queue, 1)
    end
  end
end
return lost
"""
)

HAND_OVER = (
    _COMMON
    + """
-- ARGV: the worker, then the ids of jobs that it still runs though it stops.
-- That their leases end is then no sign that they have made the worker die.
for i = 2, #ARGV do
  if redis.call('HGET', RUN .. ARGV[i], 'worker') == ARGV[1] then
    redis.call('HSET', RUN .. ARGV[i], 'handover', '1')
  end
end
"""
)

REVOKE = (
    _COMMON
    + """
-- KEYS: the queue. ARGV: the id, the data of the result, milliseconds to keep it.
-- Return whether the job is in the queue. One that waits ends now. One that runs is cancelled by
-- its worker.
local queue, id = KEYS[1], ARGV[1]
if not redis.call('ZSCORE', queue, id) then return 0 end
if redis.call('EXISTS', LEASE .. id) == 1 then
  local worker = redis.call('HGET', RUN .. id, 'worker')
  redis.call('ZADD', ABORTED, string.format('%d', now()), id)
  if worker then
    redis.call('RPUSH', REVOKED .. worker, id)
    redis.call('PEXPIRE', REVOKED .. worker, 60000)
  end
else
  if tonumber(ARGV[3]) > 0 then redis.call('SET', RESULT .. id, ARGV[2], 'PX', ARGV[3]) end
  redis.call('DEL', JOB .. id, TRIES .. id, RUN .. id)
  redis.call('ZREM', queue, id)
end
return 1
"""
)


def wake_key(queue: str) -> str:
    """Return the list that wakes a worker of *queue*."""
    return f"{queue}:wake"


def revoked_key(worker: str) -> str:
    """Return the list of the jobs that *worker* has to cancel."""
    return f"{REVOKED_PREFIX}{worker}"
