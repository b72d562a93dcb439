from toolshed.tasks import send_mail


async def test_mail(app, task_worker, mails):
    """A worker takes the mail from the queue and sends it."""
    async with app.app_context():
        job = await send_mail.delay("ada@example.com", "Hello", "text")
        await job.wait(timeout=10)
    assert len(mails()) == 1
