"""The scripts that Redis runs: each changes several jobs in one step and in one round trip.

Keys in Redis, besides those of arq:

* The queue is a sorted set of ids. The score is the time, in milliseconds, from which a worker may
  take the job. A job that runs stays in it: its score is the end of its lease. So the job of a
  worker that died is due again by itself.
* ``tasks:run:ID`` is a hash about a job that has been started. ``worker`` is the worker that runs
  it. ``deliveries`` counts how often it was started. ``suspect`` is 1 if a worker died while the
  job ran. ``alone`` is 1 if it is the only suspect that its worker runs. ``crashes`` counts the
  workers that died while it was the only suspect. ``handover`` is 1 if its worker has said that it
  stops. ``deadline`` is the time until which a job on which others depend has to be started.
* ``tasks:join:ID`` is a hash about a job that waits for the values of others: its data ``before``
  and ``after`` the list of the values, which are in ``v1``, ``v2`` and so on, and how many are
  ``left``.
* ``tasks:expected:ID`` exists until a job is queued that depends on others. It is ``revoked`` if it
  must not run then.
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
    "RELEASE",
    "RENEW",
    "REVOKE",
    "revoked_key",
    "wake_key",
]

RUN_PREFIX = "tasks:run:"
JOIN_PREFIX = "tasks:join:"
EXPECTED_PREFIX = "tasks:expected:"
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
local REVOKED, JOIN, EXPECTED = '{REVOKED_PREFIX}', '{JOIN_PREFIX}', '{EXPECTED_PREFIX}'
"""

_CHANGES = (
    _COMMON
    + """
-- Make the changes in ARGV from index first, ten arguments for each; ``changes.py`` explains them.
-- Return for each one that queues a job whether it was queued.
local function failed(data, error)
  return '{"e": ' .. error .. ', ' .. string.sub(data, 2)
end
local function enqueue(queue, id, data, due, keep, unique, linked)
  if redis.call('EXISTS', JOB .. id, RESULT .. id) == 1 then return 0 end
  if unique > 0 and not redis.call('SET', RUN .. 'unique:' .. id, '1', 'NX', 'PX', unique) then
    return 0
  end
  if linked then
    if redis.call('GET', EXPECTED .. id) == 'revoked' then
      data = failed(data, '"CancelledError: the job was revoked"')
    end
    redis.call('DEL', EXPECTED .. id)
    redis.call('SET', JOB .. id, data)
    redis.call('HSET', RUN .. id, 'deadline', string.format('%d', now() + keep))
  else
    redis.call('SET', JOB .. id, data, 'PX', math.ceil(keep))
  end
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
local function make_changes(first, last)
  local queued, woken, time = {}, {}, now()
  local function count(queue, number)
    woken[queue] = (woken[queue] or 0) + number
  end
  -- A join ends once: its hash is deleted when its job is queued.
  local function end_join(join, error)
    local about = redis.call('HMGET', join, 'queue', 'id', 'before', 'after', 'wait', 'values', 'n')
    local data = about[3]
    if about[6] == '1' then
      data = data .. (error and '[]' or values_of(join, tonumber(about[7]))) .. about[4]
    end
    if error then data = failed(data, error) end
    redis.call('DEL', join)
    count(about[1], enqueue(about[1], about[2], data, time, tonumber(about[5]), 0, true))
  end
  for i = first, last, 10 do
    local name, a, b, c, d, e, f, g, h, k = unpack(ARGV, i, i + 9)
    if name == 'enqueue' then
      local delay = tonumber(d)
      if e == 'at' then delay = math.max(0, delay - time) end
      local due = time + delay + (i - first) / 10000
      local keep = f + (g == 'start' and delay or 0)
      local new = enqueue(a, b, c, due, keep, tonumber(h), k == '1')
      count(a, new)
      queued[#queued + 1] = new
    elseif name == 'join' then
      redis.call('HSET', JOIN .. a, 'n', b, 'left', b, 'values', c, 'queue', d, 'id', e,
        'before', f, 'after', g, 'wait', h)
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
    _CHANGES
    + """
-- ARGV: changes.
return make_changes(1, #ARGV)
"""
)

CLAIM = (
    _COMMON
    + """
-- KEYS: the queues, the most important first. ARGV: the worker, the lease in milliseconds, the
-- number of jobs, whether one of them may be a suspect.
-- Return the milliseconds until the next job is due (or -1), then for each job its id, queue, data,
-- tries, deliveries, crashes, whether it is a suspect, and whether it has waited too long.
local worker, lease, free = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local suspect_allowed = ARGV[4] == '1'
local time = now()
local claimed, next_due = {}, -1

local function claim(queue, id)
  if redis.call('EXISTS', LEASE .. id) == 1 then return false end
  local run = redis.call('HMGET', RUN .. id, 'worker', 'alone', 'crashes', 'suspect', 'handover',
    'deadline')
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
  if run[6] then redis.call('HDEL', RUN .. id, 'deadline') end
  if suspect then suspect_allowed = false end
  claimed[#claimed + 1] = {
    id, queue, data or '', tonumber(redis.call('GET', TRIES .. id) or 0),
    redis.call('HINCRBY', RUN .. id, 'deliveries', 1), crashes, suspect and 1 or 0,
    run[6] and tonumber(run[6]) < time and 1 or 0,
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
    _CHANGES
    + """
-- ARGV: the worker, then for each job its queue, id, what to do, data of the result, milliseconds,
-- the number of changes, and the changes.
--   'done': the job has ended. Keep the result for so long; for 0, keep none. Make the changes.
--   'retry': start it again after so long, and count a try.
--   'back': another worker may start it now.
-- Return the ids of the jobs that another worker runs, which are not changed.
local worker, lost = ARGV[1], {}
local time = now()
local i = 2
while i <= #ARGV do
  local queue, id, action, data, ms, changes = unpack(ARGV, i, i + 5)
  local first, last = i + 6, i + 5 + 10 * changes
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
    redis.call('DEL', JOB .. id, TRIES .. id, LEASE .. id, RUN .. id)
    redis.call('ZREM', queue, id)
    redis.call('ZREM', ABORTED, id)
    if first_time and first <= last then make_changes(first, last) end
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
    _CHANGES
    + """
-- KEYS: the queues. ARGV: the id, the data of the result, milliseconds to keep it, changes.
-- Return whether the job waits or runs. One that waits ends now. One that runs is cancelled by
-- its worker. One that will be queued later ends then.
local id = ARGV[1]
for _, queue in ipairs(KEYS) do
  if redis.call('ZSCORE', queue, id) then
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
      make_changes(4, #ARGV)
    end
    return 1
  end
end
if redis.call('SET', EXPECTED .. id, 'revoked', 'XX', 'KEEPTTL') then return 1 end
return 0
"""
)

RELEASE = (
    _COMMON
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
      put(queue, time, id)
      released[#released + 1] = id
    end
  end
  if #released > 0 then wake(queue, #released) end
end
return released
"""
)


def wake_key(queue: str) -> str:
    """Return the list that wakes a worker of *queue*."""
    return f"{queue}:wake"


def revoked_key(worker: str) -> str:
    """Return the list of the jobs that *worker* has to cancel."""
    return f"{REVOKED_PREFIX}{worker}"
