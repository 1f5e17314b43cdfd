import test from 'ava'
import { peerConnections } from '../support/peer-connections.ts'
import { picturesAgain } from '../support/pictures-again.ts'
import { openRoamingLab, type RoamingLab } from '../support/roaming-lab.ts'

/** Browsers that change networks while they watch and publish. test/e2e/roaming.test.ts runs this. */

let lab: RoamingLab

test.before(async () => {
  lab = await openRoamingLab()
})

test.after.always(() => lab?.[Symbol.asyncDispose]())

test.serial('a viewer that changes networks goes on with the same media', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  const before = await peerConnections(page)
  t.is(before.local?.protocol, 'udp')
  for (const round of [1, 2]) {
    const from = Date.now()
    await machine.networks.change()
    const { againMs, frozenMs } = await picturesAgain(page, from)
    t.log(`round ${round}: again after ${againMs.toFixed()} ms, frozen for ${frozenMs.toFixed()} ms`)
    const after = await peerConnections(page)
    t.deepEqual({ ...after, local: null }, { ...before, local: null })
  }
})

test.serial('where UDP is blocked in the middle of a stream, TCP takes over', async (t) => {
  await using machine = await lab.openMachine()
  const page = await machine.watch('field')
  const before = await peerConnections(page)
  const from = Date.now()
  await machine.networks.drop('meta l4proto udp')
  const { againMs } = await picturesAgain(page, from)
  t.log(`again after ${againMs.toFixed()} ms`)
  const after = await peerConnections(page)
  t.is(after.local?.protocol, 'tcp')
  t.deepEqual({ ...after, local: null }, { ...before, local: null })
})
