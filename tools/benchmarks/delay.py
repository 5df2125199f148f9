"""A proxy that makes the network longer: delay.py <listen port> <server port> <round trip in ms>. Bytes wait for half the
round trip in each direction, without waiting for each other: a delay, not a narrow pipe."""

import asyncio
import sys

listen, server, round_trip = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


async def pump(reader, writer):
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(1 << 18):
            loop.call_later(round_trip / 2000, writer.write, data)
    except ConnectionError:
        pass
    loop.call_later(round_trip / 2000, writer.close)


async def accept(reader, writer):
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server, limit=1 << 20)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def main():
    proxy = await asyncio.start_server(accept, "127.0.0.1", listen, limit=1 << 20)
    print("ready", flush=True)
    await proxy.serve_forever()


asyncio.run(main())
