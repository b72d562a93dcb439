"""Resources are closed with their event loop, their owner or their context, once."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable
from functools import partial

import pytest
from quart import Quart
from quart.ctx import AppContext

from quartpatterns._shared.loop_bound import ContextBound, LoopBound, current_context
from tests.serving import eventually


class Resource:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.closing = 0
        self.closed = 0
        self.hold: asyncio.Event | None = None
        self.error: Exception | None = None

    async def close(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.closing += 1
        await asyncio.sleep(0)
        if self.hold:
            await self.hold.wait()
        self.closed += 1
        if self.error:
            raise self.error

    def release(self) -> asyncio.Task[None] | None:
        return None if self.closing else asyncio.create_task(self.close())


def bound() -> LoopBound[Resource]:
    return LoopBound(Resource, Resource.close)


class TestLoopBound:
    async def test_one_for_each_loop(self) -> None:
        pools = bound()
        assert pools.find() is None
        assert pools.get() is pools.get() is pools.find()
        other = await asyncio.to_thread(asyncio.run, _get(pools))
        assert other is not pools.get()
        assert (other.closed, pools.get().closed) == (1, 0)
        await pools.close()

    def test_without_a_loop(self) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            bound().get()

    def test_two_loops_in_two_threads(self) -> None:
        pools, found = bound(), list[Resource]()
        barrier = threading.Barrier(2, timeout=20)

        async def use() -> None:
            found.append(pools.get())
            barrier.wait()
            assert pools.get().closed == 0
            await pools.close()

        threads = [threading.Thread(target=asyncio.run, args=(use(),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert [one.closed for one in found] == [1, 1]
        assert found[0] is not found[1]

    async def test_closing_twice_then_a_new_one(self) -> None:
        pools = bound()
        first = pools.get()
        await pools.close()
        await pools.close()
        assert first.closed == 1
        assert pools.get() is not first
        await pools.close()

    async def test_the_last_user_closes(self) -> None:
        pools = bound()
        async with pools.using() as first:
            async with pools.using() as same:
                await pools.close()
                assert pools.find() is None
                async with pools.using() as second:
                    assert (same is first, second is first) == (True, False)
            assert first.closing == 0
        assert (first.closed, second.closed) == (1, 0)
        await pools.close()
        assert (first.closed, second.closed) == (1, 1)

    def test_the_end_of_the_loop_closes_what_has_users(self) -> None:
        pools, found = bound(), list[Resource]()

        async def leave() -> None:
            # Nothing leaves this context.
            found.append(await pools.using().__aenter__())
            await pools.close()
            assert found[0].closing == 0

        asyncio.run(leave())
        assert found[0].closed == 1

    def test_the_end_of_the_loop_closes(self) -> None:
        pools = bound()
        assert asyncio.run(_get(pools)).closed == 1
        assert asyncio.run(_get(pools)).closed == 1

    def test_a_loop_closed_by_force_is_forgotten(self) -> None:
        pools = bound()
        loop = asyncio.new_event_loop()
        resource = weakref.ref(loop.run_until_complete(_get(pools)))
        loop.close()
        assert resource() is not None
        asyncio.run(_get(pools))
        gc.collect()
        assert resource() is None

    async def test_garbage_collection_of_the_owner_closes(self) -> None:
        class Owner:
            def __init__(self) -> None:
                self.pools = LoopBound(self.make, Resource.close)

            def make(self) -> Resource:
                return Resource()

        owner = Owner()
        resource = owner.pools.get()
        gone = weakref.ref(owner)
        del owner
        await asyncio.to_thread(gc.collect)
        assert gone() is None
        await eventually(lambda: resource.closed == 1)

    async def test_garbage_collection_closes_before_it_deletes(self) -> None:
        events: list[str] = []

        class Connection:
            def __del__(self) -> None:
                events.append("deleted")

        async def close(connection: Connection) -> None:
            events.append("closed")

        pools = LoopBound(Connection, close)
        pools.get()
        del pools
        gc.collect()
        await eventually(lambda: len(events) == 2)
        assert events == ["closed", "deleted"]

    def test_garbage_collection_after_the_loop(self) -> None:
        pools = bound()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(_get(pools))
        loop.close()
        del pools
        gc.collect()  # Warnings and errors in finalizers fail the test.

    async def test_closing_finishes_despite_cancellations(self) -> None:
        pools = bound()
        resource = pools.get()
        resource.hold = asyncio.Event()
        closing = asyncio.create_task(pools.close())
        await eventually(lambda: resource.closing == 1)
        for _ in range(2):
            closing.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not closing.done()
        resource.hold.set()
        await asyncio.wait([closing])
        assert closing.cancelled()
        assert (resource.closing, resource.closed) == (1, 1)

    def test_the_end_of_the_loop_meets_a_closing_under_way(self) -> None:
        pools, found = bound(), list[Resource]()

        async def main() -> asyncio.Task[None]:
            found.append(pools.get())
            closing = asyncio.create_task(pools.close())
            await eventually(lambda: found[0].closing == 1)
            return closing

        with asyncio.Runner() as runner:
            runner.run(main())
        assert found[0].closed == 1

    async def test_an_error_is_raised_once(self) -> None:
        pools = bound()
        resource = pools.get()
        resource.error = OSError("broken")
        with pytest.raises(OSError, match="broken"):
            await pools.close()
        await pools.close()
        assert resource.closed == 1
        assert pools.get() is not resource
        await pools.close()

    async def test_an_error_after_garbage_collection_is_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        pools = bound()
        pools.get().error = OSError("broken")
        del pools
        gc.collect()
        await eventually(lambda: "OSError: broken" in caplog.text)

    async def test_it_is_made_outside_of_the_request(self) -> None:
        variable = contextvars.ContextVar("variable", default="empty")
        variable.set("a request")
        pools = LoopBound(variable.get, _nothing)
        assert pools.get() == "empty"
        await pools.close()


async def _get(pools: LoopBound[Resource]) -> Resource:
    return pools.get()


async def _nothing(resource: object) -> None:
    pass


def context() -> AppContext:
    return Quart(__name__).app_context()


class TestContextBound:
    async def test_one_for_each_context(self) -> None:
        lent = ContextBound(Resource.release)
        first, second = context(), context()
        assert lent.get(first) is None
        lent.set(first, one := Resource())
        lent.set(second, Resource())
        assert lent.get(first) is one
        assert len(lent) == 2
        await lent.release(first)
        await lent.release(first)
        assert (one.closed, lent.get(first), len(lent)) == (1, None, 1)
        await lent.close()
        assert len(lent) == 0

    async def test_release_finishes_despite_cancellations(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        lent.set(current, resource := Resource())
        resource.hold = asyncio.Event()
        releasing = asyncio.create_task(lent.release(current))
        await eventually(lambda: resource.closing == 1)
        for _ in range(2):
            releasing.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert not releasing.done()
        resource.hold.set()
        await asyncio.wait([releasing])
        assert releasing.cancelled()
        assert resource.closed == 1

    async def test_a_release_without_waiting(self) -> None:
        released: list[str] = []
        lent, current = ContextBound(released.append), context()
        lent.set(current, "resource")
        running = lent.release(current)
        with pytest.raises(StopIteration):
            running.send(None)
        assert released == ["resource"]

    async def test_an_error_is_raised(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        lent.set(current, resource := Resource())
        resource.error = OSError("broken")
        with pytest.raises(OSError, match="broken"):
            await lent.release(current)
        assert lent.get(current) is None

    async def test_a_context_that_is_collected(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        lent.set(current, resource := Resource())
        del current
        await asyncio.to_thread(gc.collect)
        assert len(lent) == 0
        await eventually(lambda: resource.closed == 1)

    async def test_close_waits_for_every_release(self, caplog: pytest.LogCaptureFixture) -> None:
        lent, kept, gone = ContextBound(Resource.release), context(), context()
        resources = [Resource() for _ in range(3)]
        resources[0].error = OSError("broken")
        lent.set(kept, resources[0])
        lent.set(gone, resources[1])
        other = context()
        lent.set(other, resources[2])
        del gone
        gc.collect()
        await lent.close()
        assert [one.closed for one in resources] == [1, 1, 1]
        assert caplog.text.count("OSError: broken") == 1

    async def test_close_waits_for_what_was_just_collected(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        lent.set(current, resource := Resource())
        del current
        gc.collect()
        await lent.close()
        assert resource.closed == 1

    def test_what_asyncio_run_interrupts_is_released_at_the_end(self) -> None:
        released: list[str] = []

        async def release(resource: str) -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            released.append(resource)

        async def main() -> None:
            lent = pools.get()
            lent.set(current := context(), "resource")
            del current
            gc.collect()
            await asyncio.sleep(0)
            assert not len(lent)

        pools = LoopBound(partial(ContextBound[str], release), ContextBound[str].close)
        asyncio.run(main())
        assert released == ["resource"]

    async def test_tasks_of_a_context_acquire_one(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        go_on, made = asyncio.Event(), list[Resource]()

        async def make() -> Resource:
            made.append(Resource())
            await go_on.wait()
            return made[0]

        tasks = [asyncio.create_task(lent.acquire(current, make)) for _ in range(3)]
        await eventually(lambda: lent.is_acquiring(current))
        assert not lent.is_acquiring(context())
        go_on.set()
        assert {*await asyncio.gather(*tasks)} == {lent.get(current)}
        assert len(made) == 1
        assert not lent.is_acquiring(current)
        await lent.release(current)

    async def test_after_a_failure_the_next_one_tries(self) -> None:
        lent, current = ContextBound(Resource.release), context()
        results: list[Callable[[], Resource]] = [_fail, Resource]

        async def make() -> Resource:
            await asyncio.sleep(0)
            return results.pop(0)()

        first, second = await asyncio.gather(
            lent.acquire(current, make), lent.acquire(current, make), return_exceptions=True
        )
        assert isinstance(first, OSError)
        assert second is lent.get(current)
        await lent.release(current)


def _fail() -> Resource:
    raise OSError


async def test_the_current_context(app_class: type[Quart]) -> None:
    app = app_class(__name__)
    assert current_context() is None
    async with app.app_context() as current:
        assert current_context() is current
    async with app.test_request_context("/"):
        found = current_context()
        assert found is not None and found.app is app
