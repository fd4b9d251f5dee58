# Asks for the policy of a domain as postfix-mta-sts-resolver does for Postfix, and
# prints it. The name server is at a port of this machine.
import asyncio
import sys

import aiodns
from postfix_mta_sts_resolver.resolver import STSResolver


async def main(domain, host, port):
    loop = asyncio.get_running_loop()
    resolver = STSResolver(timeout=20, loop=loop)
    resolver._resolver = aiodns.DNSResolver(loop=loop, nameservers=[host], udp_port=int(port), tcp_port=int(port))
    result, found = await resolver.resolve(domain)
    print(result.name)
    if found:
        print(found[0])
        for key in sorted(found[1]):
            print(key, found[1][key])


asyncio.run(main(sys.argv[1], *sys.argv[2].split(":")))
