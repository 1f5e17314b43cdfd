import test from 'ava'
import { type Rejection, RejectionLog, rejectionOf } from '../../../sfu/ingress/rist-rejections.ts'

test('a reason is told at once, then at most every 5 s with its count', (t) => {
  const told: Rejection[] = []
  const log = new RejectionLog((rejection) => told.push(rejection))
  log.add('garbage', 0)
  log.add('garbage', 1000, 8)
  log.add('wrong_passphrase', 1500)
  log.flush(4999)
  t.deepEqual(
    told.map(({ reason, count }) => [reason, count]),
    [
      ['garbage', 1],
      ['wrong_passphrase', 1],
    ],
  )
  log.flush(5000)
  log.flush(20_000)
  t.deepEqual(
    told.slice(2).map(({ reason, count }) => [reason, count]),
    [['garbage', 8]],
  )
})

test('log lines about the stream itself are no rejections', (t) => {
  t.is(rejectionOf({ level: 'info', message: 'Peer 3 receiver name is now: uplink' }), undefined)
  t.is(rejectionOf({ level: 'error', message: 'Lost 3 packets' }), undefined)
})
