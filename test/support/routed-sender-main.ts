import { z } from 'zod'
import { Routes } from '../../agent/routes/routes.ts'
import { ContractSender } from '../../agent/sender/contract-sender.ts'
import { createLogger } from '../../common/logger.ts'
import { flowContractSchema } from '../../common/wire/flow-contract.ts'
import { interfaceSchema } from '../../common/wire/node-report.ts'

/**
 * A sender by contract with routes of its own, which writes 100 numbered packets a second: what an agent is for its
 * network. Its parent tells interfaces and contract, and that it shall end.
 */

const order = z.union([
  z.object({ interfaces: z.array(interfaceSchema) }),
  z.object({ contract: flowContractSchema }),
  z.object({ carrying: z.array(z.string()) }),
  z.object({ end: z.literal(true) }),
])

const routes = await Routes.open({ hubUrl: 'https://10.50.0.1:9415', logger: createLogger('warn') })
const sender = new ContractSender({ hubUrl: 'http://127.0.0.1:9' })
let written = 0
const timer = setInterval(() => {
  const packet = Buffer.alloc(7 * 188, 0xff)
  for (let offset = 0; offset < packet.length; offset += 188) packet[offset] = 0x47
  packet.writeUInt32BE(written, 8)
  written += 1
  sender.write(packet)
}, 10)

process.on('message', async (raw) => {
  const told = order.parse(raw)
  if ('interfaces' in told) routes.interfaces(told.interfaces)
  else if ('carrying' in told)
    routes.links(
      'cam',
      ['modem-a', 'modem-b'].map((link) => ({ link, carries: told.carrying.includes(link), weight: 100 })),
    )
  else if ('contract' in told) {
    await routes.use('cam', told.contract.endpoints)
    await sender.apply(told.contract)
  } else {
    clearInterval(timer)
    await sender[Symbol.asyncDispose]()
    await routes[Symbol.asyncDispose]()
    process.exit()
  }
})
process.send!('ready')
