"""The scripts that Redis runs: each changes several jobs in one step and in one round trip.

Keys in Redis, besides those of arq:

* The queue is a sorted set of ids. The score is the time, in milliseconds, from which a worker may
  take the job. A job that runs stays in it: its score is the end of its lease. So the job of a
  worker that died is due again by itself.
* ``tasks:run:ID`` is a hash about a job that has been started. ``worker`` is the worker that runs
  it. ``deliveries`` counts how often it was started. ``suspect`` is 1 if a worker died while the
  job ran. ``alone`` is 1 if it is the only suspect that its worker runs. ``crashes`` counts the
  workers that died while it was the only suspect. ``handover`` is 1 if its worker has said that it
  stops. ``started`` is the time, in milliseconds, at which it was started. ``error`` is the error
  for which it is tried again. ``slot`` is the time that the rate limit ``rate`` has given it, and
  ``expires`` the time after which it may not be started for the first time.
* ``tasks:join:ID`` is a hash about a job that waits for the values of others: its ``data``, the
  values in ``v1``, ``v2`` and so on, and how many are ``left``.
* ``tasks:expected:ID`` exists until a job is queued that depends on others. It is ``revoked`` if it
  must not run then.
* ``tasks:unique:QUEUE:TASK:KEY`` is the id of the job for which the same call is not queued again.
  ``tasks:run:unique:ID`` exists as long as no other job may use an id, as those of the schedule.
* ``tasks:rate:QUEUE:TASK`` is the time at which a rate limit lets a task start next, and
  ``RATE:free`` is a sorted set of times that it has given to jobs which will not run.
* ``QUEUE:running`` is a sorted set of the jobs that this package's workers run, by their start.
* ``QUEUE:failed`` is a sorted set of the jobs that have failed, by their end. The hash
  ``QUEUE:failed:jobs`` has the data of each job, and ``QUEUE:failed:info`` what happened.
* ``QUEUE:ended`` is a sorted set of the newest jobs that have succeeded or were revoked.
* ``QUEUE:counts`` is a hash that counts how jobs have ended.
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
from quartpatterns.tasks.changes import WIDTH

__all__ = [
    "CHANGES",
    "COMMON",
    "CLAIM",
    "ENQUEUE",
    "EXPECTED_PREFIX",
    "FINISH",
    "HAND_OVER",
    "LIMIT",
    "PROGRESS_PREFIX",
    "RELEASE",
    "RENEW",
    "REVOKE",
    "rate_key",
    "revoked_key",
    "unique_key",
    "wake_key",
]

RUN_PREFIX = "tasks:run:"
JOIN_PREFIX = "tasks:join:"
EXPECTED_PREFIX = "tasks:expected:"
REVOKED_PREFIX = "tasks:revoked:"
PROGRESS_PREFIX = "arq:progress:"
UNIQUE_PREFIX = "tasks:unique:"
ENDED = 1000
"""Jobs that have succeeded or were revoked, of which a list shows the newest."""

COMMON = f"""
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
local REVOKED, JOIN, EXPECTED = '{REVOKED_PREFIX}', '{JOIN_PREFIX}', '{EXPECTED_PREFIX}'
local PROGRESS, WIDTH = '{PROGRESS_PREFIX}', {WIDTH}
-- The time that the rate limit has given a job which will not run may be given to another.
local function free_slot(id)
  local slot, rate = unpack(redis.call('HMGET', RUN .. id, 'slot', 'rate'))
  local left = slot and rate and redis.call('PTTL', rate) or 0
  if left > 0 then
    redis.call('ZADD', rate .. ':free', slot, slot)
    redis.call('PEXPIRE', rate .. ':free', left)
  end
end
local function note_end(queue, id, time)
  redis.call('ZADD', queue .. ':ended', string.format('%.3f', time), id)
  redis.call('ZREMRANGEBYRANK', queue .. ':ended', 0, -{ENDED + 1})
end
local function forget_failure(queue, id)
  if redis.call('ZREM', queue .. ':failed', id) == 0 then return false end
  redis.call('HDEL', queue .. ':failed:jobs', id)
  redis.call('HDEL', queue .. ':failed:info', id)
  return true
end
"""

CHANGES = (
    COMMON
    + """
-- Make the changes in ARGV from index first, WIDTH arguments for each (see ``changes.py``).
-- With follows they belong to a job that has ended: a new job replaces the result that it had.
-- Return for each one that queues a job whether it was queued, or the id of the same call.
local function failed(data, error)
  return '{"e": ' .. error .. ', ' .. string.sub(data, 2)
end
local function enqueue(queue, id, data, due, keep, unique, linked, follows)
  if redis.call('EXISTS', JOB .. id) == 1 then return 0 end
  if follows then
    redis.call('DEL', RESULT .. id)
  elseif redis.call('EXISTS', RESULT .. id) == 1 then
    return 0
  end
  if unique > 0 and not redis.call('SET', RUN .. 'unique:' .. id, '1', 'NX', 'PX', unique) then
    return 0
  end
  if linked then
    if redis.call('GET', EXPECTED .. id) == 'revoked' then
      data = failed(data, '"CancelledError: the job was revoked"')
    end
    redis.call('DEL', EXPECTED .. id)
    redis.call('SET', JOB .. id, data)
    redis.call('HSET', RUN .. id, 'expires', string.format('%.0f', now() + keep))
  else
    redis.call('SET', JOB .. id, data, 'PX', math.ceil(keep))
  end
  -- After the data: a Redis that is full refuses the first command that needs memory, and no later.
  redis.call('ZREM', ABORTED, id)
  put(queue, due, id)
  return 1
end
local function values_of(join, count)
  local values = {}
  for first = 1, count, 1000 do
    local names = {}
    for i = first, math.min(count, first + 999) do names[#names + 1] = 'v' .. i end
    for _, value in ipairs(redis.call('HMGET', join, unpack(names))) do
      values[#values + 1] = value
    end
  end
  return '[' .. table.concat(values, ', ') .. ']'
end
local function make_changes(first, last, follows)
  local queued, woken, time = {}, {}, now()
  local function count(queue, number)
    woken[queue] = (woken[queue] or 0) + number
  end
  -- A join ends once: its hash is deleted when its job is queued.
  local function end_join(join, error)
    local queue, id, data, wait, has_values, members = unpack(
      redis.call('HMGET', join, 'queue', 'id', 'data', 'wait', 'values', 'n'))
    if error then
      data = failed(data, error)
    elseif has_values == '1' then
      data = '{"v": ' .. values_of(join, tonumber(members)) .. ', ' .. string.sub(data, 2)
    end
    redis.call('DEL', join)
    count(queue, enqueue(queue, id, data, time, tonumber(wait), 0, true, true))
  end
  for i = first, last, WIDTH do
    local name, a, b, c, d, e, f, g, h, k, once, once_ms = unpack(ARGV, i, i + WIDTH - 1)
    if name == 'enqueue' then
      local delay = tonumber(d)
      if e == 'at' then delay = math.max(0, delay - time) end
      local due = time + delay + (i - first) / (WIDTH * 1000)
      local keep = f + (g == 'start' and delay or 0)
      local same = once ~= '' and redis.call('GET', once)
      if same and same ~= b and redis.call('EXISTS', JOB .. same) == 1 then
        queued[#queued + 1] = same
      else
        if once ~= '' then redis.call('SET', once, b, 'PX', once_ms) end
        local new = enqueue(a, b, c, due, keep, tonumber(h), k == '1', follows)
        count(a, new)
        queued[#queued + 1] = new
      end
    elseif name == 'join' then
      redis.call('HSET', JOIN .. a, 'n', b, 'left', b, 'values', c, 'queue', d, 'id', e,
        'data', f, 'wait', g)
    elseif name == 'value' then
      local join = JOIN .. a
      if redis.call('EXISTS', join) == 1 and redis.call('HSETNX', join, 'v' .. b, c) == 1 then
        if redis.call('HINCRBY', join, 'left', -1) == 0 then end_join(join) end
      end
    elseif name == 'error' then
      if redis.call('EXISTS', JOIN .. a) == 1 then end_join(JOIN .. a, b) end
    elseif name == 'result' then
      redis.call('DEL', EXPECTED .. a)
      if tonumber(c) > 0 then redis.call('SET', RESULT .. a, b, 'PX', c) end
    elseif name == 'expect' then
      redis.call('SET', EXPECTED .. a, '1', 'PX', b)
    end
  end
  for queue, number in pairs(woken) do wake(queue, number) end
  return queued
end
"""
)

ENQUEUE = (
    CHANGES
    + """
-- ARGV: changes.
return make_changes(1, #ARGV, false)
"""
)

CLAIM = (
    COMMON
    + """
-- KEYS: the queues, the most important first. ARGV: the worker, the lease in milliseconds, the
-- number of jobs, whether one of them may be a suspect.
-- Return the milliseconds until the next job is due (or -1), then for each job its id, queue, data,
-- tries, deliveries, crashes, whether it is a suspect, whether it has waited too long, and whether
-- it was revoked: its worker had died, or was about to put it back.
local worker, lease, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local suspect_allowed = ARGV[4] == '1'
local time = now()
local claimed, next_due = {}, -1

local function claim(queue, id)
  if redis.call('EXISTS', LEASE .. id) == 1 then return false end
  local run = redis.call('HMGET', RUN .. id, 'worker', 'alone', 'crashes', 'suspect', 'handover',
    'expires', 'deliveries')
  local crashes, suspect = tonumber(run[3] or 0), run[4] == '1'
  if run[1] and run[5] ~= '1' then
    suspect = true
    if run[2] == '1' then crashes = crashes + 1 end
  end
  if suspect and not suspect_allowed then return false end
  redis.call('SET', LEASE .. id, worker, 'PX', lease)
  redis.call('HSET', RUN .. id, 'worker', worker, 'alone', suspect and '1' or '0',
    'crashes', crashes, 'suspect', suspect and '1' or '0', 'handover', '0',
    'started', string.format('%.3f', time))
  put(queue, time + lease, id)
  redis.call('ZADD', queue .. ':running', string.format('%.3f', time), id)
  local data = redis.call('GET', JOB .. id)
  local left = redis.call('PTTL', JOB .. id)
  if left > 0 then
    run[6] = string.format('%.0f', time + left)
    redis.call('HSET', RUN .. id, 'expires', run[6])
    redis.call('PERSIST', JOB .. id)
  end
  if suspect then suspect_allowed = false end
  claimed[#claimed + 1] = {
    id, queue, data or '', tonumber(redis.call('GET', TRIES .. id) or 0),
    redis.call('HINCRBY', RUN .. id, 'deliveries', 1), crashes, suspect and 1 or 0,
    run[6] and tonumber(run[7] or 0) == 0 and tonumber(run[6]) < time and 1 or 0,
    redis.call('ZSCORE', ABORTED, id) and 1 or 0,
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
    COMMON
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
    CHANGES
    + """
-- ARGV: the worker, the number of failed jobs to keep, then for each job its queue, id, deliveries,
-- what to do, data of the result (or the text of the error after which it is tried again),
-- milliseconds, how it has ended ('succeeded', 'failed', 'revoked', or ''), what to keep of a
-- failure, the number of changes, and the changes.
--   'done': the job has ended. Keep the result for so long; for 0, keep none. Make the changes.
--   'retry': start it again after so long, and count a try.
--   'back': another worker may start it now.
-- Return the ids of the jobs that another worker runs, which are not changed.
local worker, keep_failed, lost = ARGV[1], tonumber(ARGV[2]), {}
local time = now()
local function keep_failure(queue, id, info)
  forget_failure(queue, id)
  redis.call('ZADD', queue .. ':failed', string.format('%.3f', time), id)
  redis.call('HSET', queue .. ':failed:info', id, info)
  local job = redis.call('GET', JOB .. id)
  if job then redis.call('HSET', queue .. ':failed:jobs', id, job) end
  local surplus = redis.call('ZCARD', queue .. ':failed') - keep_failed
  if surplus > 0 then
    for _, old in ipairs(redis.call('ZRANGE', queue .. ':failed', 0, math.min(surplus, 100) - 1)) do
      forget_failure(queue, old)
    end
  end
end
local i = 3
while i <= #ARGV do
  local queue, id, deliveries, action, data, ms, how, info, changes = unpack(ARGV, i, i + 8)
  local first, last = i + 9, i + 8 + WIDTH * changes
  i, ms = last + 1, tonumber(ms)
  local owner = redis.call('HGET', RUN .. id, 'worker')
  if owner and owner ~= worker then
    lost[#lost + 1] = id
  elseif action == 'done' then
    -- If this outcome was written before, by this worker or another, the job has no data any more.
    local first_time = redis.call('EXISTS', JOB .. id) == 1
    if ms > 0 then redis.call('SET', RESULT .. id, data, 'PX', ms) end
    -- A worker runs one suspect at a time, so the next one has waited for this.
    if redis.call('HGET', RUN .. id, 'suspect') == '1' then wake(queue, 1) end
    if how == 'failed' and keep_failed > 0 and info ~= '' then
      keep_failure(queue, id, info)
    else
      forget_failure(queue, id)
      if how ~= 'failed' and ms > 0 then note_end(queue, id, time) end
    end
    redis.call('HINCRBY', queue .. ':counts', how, 1)
    redis.call('ZREM', queue .. ':running', id)
    redis.call('DEL', JOB .. id, TRIES .. id, LEASE .. id, RUN .. id)
    redis.call('ZREM', queue, id)
    redis.call('ZREM', ABORTED, id)
    if first_time and first <= last then make_changes(first, last, true) end
  elseif owner and redis.call('HGET', RUN .. id, 'deliveries') == deliveries then
    -- If this was written before, the job may have been started again.
    redis.call('DEL', LEASE .. id)
    redis.call('HDEL', RUN .. id, 'worker', 'alone', 'slot')
    redis.call('ZREM', queue .. ':running', id)
    if action == 'retry' then
      redis.call('HINCRBY', queue .. ':counts', 'retried', 1)
      redis.call('HSET', RUN .. id, 'error', data)
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
    COMMON
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
    CHANGES
    + """
-- KEYS: the queues. ARGV: the id, the data of the result, milliseconds to keep it, changes.
-- Return 0 if the job is in no queue; 2 for one that waited, which has ended; 1 for one that runs,
-- which its worker cancels, and for one that will be queued later, which ends then.
local id, ms = ARGV[1], tonumber(ARGV[3])
for _, queue in ipairs(KEYS) do
  if redis.call('ZSCORE', queue, id) then
    if redis.call('EXISTS', LEASE .. id) == 1 then
      local worker = redis.call('HGET', RUN .. id, 'worker')
      redis.call('ZADD', ABORTED, string.format('%d', now()), id)
      if worker then
        redis.call('RPUSH', REVOKED .. worker, id)
        redis.call('PEXPIRE', REVOKED .. worker, 60000)
      end
      return 1
    end
    if ms > 0 then
      redis.call('SET', RESULT .. id, ARGV[2], 'PX', ms)
      note_end(queue, id, now())
    end
    redis.call('HINCRBY', queue .. ':counts', 'revoked', 1)
    redis.call('ZREM', queue .. ':running', id)
    free_slot(id)
    redis.call('DEL', JOB .. id, TRIES .. id, RUN .. id)
    redis.call('ZREM', queue, id)
    make_changes(4, #ARGV, true)
    return 2
  end
end
if redis.call('SET', EXPECTED .. id, 'revoked', 'XX', 'KEEPTTL') then return 1 end
return 0
"""
)

RELEASE = (
    COMMON
    + """
-- KEYS: the queues. ARGV: a worker whose process has ended, its lease in milliseconds.
-- End the leases of its jobs, as time would. Return their ids.
local worker, time, released = ARGV[1], now(), {}
for _, queue in ipairs(KEYS) do
  -- The score of a job that runs is the end of its lease, which is not over yet.
  local from, to = string.format('(%.3f', time), string.format('%.3f', time + ARGV[2])
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', queue, from, to)) do
    if redis.call('GET', LEASE .. id) == worker then
      redis.call('DEL', LEASE .. id)
      redis.call('ZREM', queue .. ':running', id)
      put(queue, time, id)
      released[#released + 1] = id
    end
  end
  if #released > 0 then wake(queue, #released) end
end
return released
"""
)

LIMIT = (
    COMMON
    + """
-- KEYS: the queue, the rate of the task. ARGV: the worker, the id, milliseconds between two starts.
-- Return 0 if the job may start, else the milliseconds until it may. It is then put back for that
-- time, so a worker takes each job at most twice, however many wait. A job that comes more than a
-- second too late, because no worker ran, gets a new time.
local queue, rate, worker, id, interval = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = now()
local run = redis.call('HMGET', RUN .. id, 'worker', 'slot')
if run[1] ~= worker then return 0 end
if run[2] and time < tonumber(run[2]) + math.max(1000, interval) then return 0 end
local slot = math.max(time, tonumber(redis.call('GET', rate) or 0))
local freed = redis.call('ZRANGEBYSCORE', rate .. ':free', '(' .. string.format('%.3f', time),
  '(' .. string.format('%.3f', slot), 'LIMIT', 0, 1)[1]
if freed then
  redis.call('ZREM', rate .. ':free', freed)
  slot = tonumber(freed)
else
  redis.call('SET', rate, string.format('%.3f', slot + interval), 'PX',
    math.ceil(slot + interval - time) + 1000)
end
if slot <= time then return 0 end
redis.call('DEL', LEASE .. id)
redis.call('HDEL', RUN .. id, 'worker', 'alone')
redis.call('HSET', RUN .. id, 'slot', string.format('%.3f', slot), 'rate', rate)
redis.call('HINCRBY', RUN .. id, 'deliveries', -1)
redis.call('ZREM', queue .. ':running', id)
put(queue, slot, id)
return math.ceil(slot - time)
"""
)


def wake_key(queue: str) -> str:
    """Return the list that wakes a worker of *queue*."""
    return f"{queue}:wake"


def rate_key(queue: str, task: str) -> str:
    """Return the key with the time at which the rate limit lets *task* start next."""
    return f"tasks:rate:{queue}:{task}"


def unique_key(queue: str, task: str, key: str) -> str:
    """Return the key with the id of the job that makes a call of *task* unique."""
    return f"{UNIQUE_PREFIX}{queue}:{task}:{key}"


def revoked_key(worker: str) -> str:
    """Return the list of the jobs that *worker* has to cancel."""
    return f"{REVOKED_PREFIX}{worker}"
