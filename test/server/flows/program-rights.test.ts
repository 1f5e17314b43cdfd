import test from 'ava'
import { z } from 'zod'
import { programSchema } from '../../../common/wire/programs-api.ts'
import { startHub, type TestHub } from '../../support/hub.ts'

/** What programs and inputs tell, and let others do, across ACL, grants and tenants. At a real hub, without media. */

const INPUTS = ['cam1', 'secret-1']

async function made(hub: TestHub, token: string, body: object) {
  const answer = await hub.api('POST', '/v1/programs', body, token)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return programSchema.parse(answer.body)
}

const shownSchema = z.object({ switched: z.object({ inputs: z.array(z.object({ id: z.string() })) }) })
const inputsOf = (body: unknown) => shownSchema.parse(body).switched.inputs.map(({ id }) => id)

test('names of streams are told to those who may read them', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  await hub.putPolicy({
    acl: [
      { effect: 'allow', subjects: ['*'], actions: ['*'], streams: ['*'] },
      {
        effect: 'deny',
        subjects: ['role:director'],
        actions: ['subscribe', 'stream.read'],
        streams: ['secret*'],
      },
    ],
  })
  const operator = await hub.issueToken({ role: 'operator' })
  const director = await hub.issueToken({ role: 'director' })
  const granted = (...streams: string[]) =>
    hub.issueToken({ role: 'viewer', subject: streams.join('.'), grants: { streams, actions: ['*'] } })
  await made(hub, operator, { program_id: 'main', inputs: INPUTS })
  const publisher = await hub.issueToken({ role: 'publisher' })
  for (const stream_id of ['secret-1', 'secret-2', 'cam1'])
    t.is((await hub.api('POST', '/v1/publish', { stream_id }, publisher)).status, 200)
  t.is(
    (await hub.api('POST', '/v1/publish', { stream_id: 'cam2', input: { role: 'standby' } }, publisher))
      .status,
    200,
  )

  for (const [who, token, names] of [
    ['operator', operator, INPUTS],
    ['director', director, ['cam1']],
    ['of the program alone', await granted('main'), []],
    ['of all', await granted('main', 'cam1', 'secret-1'), INPUTS],
  ] as const)
    t.deepEqual(inputsOf((await hub.api('GET', '/v1/streams/main', undefined, token)).body), names, who)
  // Inputs of publishers belong to their stream, whatever a token is limited to.
  const ofCam2 = await hub.api('GET', '/v1/streams/cam2', undefined, await granted('cam2'))
  t.deepEqual(inputsOf(ofCam2.body), ['cam2.standby'])

  // A pattern is no way to find out what there is.
  await hub.putPolicy({
    acl: [
      { effect: 'allow', subjects: ['*'], actions: ['*'], streams: ['*'] },
      {
        effect: 'deny',
        subjects: ['role:operator'],
        actions: ['subscribe', 'stream.read'],
        streams: ['secret*'],
      },
    ],
  })
  const spied = await made(hub, operator, { program_id: 'spy', inputs: ['sec*', 'cam*'] })
  t.deepEqual(
    spied.sources.map(({ id }) => id),
    ['cam1', 'cam2'],
  )
  t.deepEqual(spied.left_out, [])
  t.like(await hub.api('POST', '/v1/programs', { program_id: 'x', inputs: ['secret-2'] }, operator), {
    status: 403,
    body: { error: { code: 'input_denied' } },
  })
  // What its maker may not watch any more leaves the program.
  const main = programSchema.parse((await hub.api('GET', '/v1/programs/main', undefined, operator)).body)
  t.deepEqual(
    main.sources.map(({ id }) => id),
    ['cam1'],
  )
})

test('nothing of a program crosses tenants', async (t) => {
  await using hub = await startHub([], { workers: 1 })
  t.is((await hub.api('PUT', '/v1/tenants/other', { display_name: 'Other' })).status, 200)
  const ours = await hub.issueToken({ role: 'operator' })
  const theirs = await hub.issueToken({ role: 'operator', tenant_id: 'other' })
  await made(hub, ours, { program_id: 'main', inputs: ['cam1'] })
  const publish = { stream_id: 'cam1', input: { role: 'standby' } }
  const publisher = await hub.issueToken({ role: 'publisher', tenant_id: 'other' })
  t.is((await hub.api('POST', '/v1/publish', publish, publisher)).status, 200)
  for (const [method, path, body] of [
    ['GET', '/v1/programs/main', undefined],
    ['PATCH', '/v1/programs/main', { inputs: ['cam1'] }],
    ['DELETE', '/v1/programs/main', undefined],
    ['POST', '/v1/programs/main/take', { input: 'cam1' }],
    ['POST', '/v1/programs/main/preview', { input: 'cam1' }],
    ['POST', '/v1/programs/main/auto', { auto: true }],
    ['POST', '/v1/programs/main/lock', {}],
    ['DELETE', '/v1/programs/main/lock', undefined],
  ] as const) {
    const answer = await hub.api(method, path, body, theirs)
    t.like(answer, { status: 404, body: { error: { code: 'program_not_found' } } }, `${method} ${path}`)
    const named = await hub.api(method, `${path}?tenant_id=default`, body, theirs)
    t.true([403, 404].includes(named.status), `${method} ${path} of the tenant: ${named.status}`)
  }
  t.deepEqual((await hub.api('GET', '/v1/programs', undefined, theirs)).body, { programs: [] })
  // The same names are other streams.
  await made(hub, theirs, { program_id: 'main', inputs: ['cam1'] })
  const list = await hub.api('GET', '/v1/programs', undefined, theirs)
  t.deepEqual(
    z
      .object({ programs: z.array(programSchema) })
      .parse(list.body)
      .programs.map(({ tenant_id }) => tenant_id),
    ['other'],
  )
  t.is((await hub.api('DELETE', '/v1/programs/main', undefined, theirs)).status, 204)
  t.is((await hub.api('GET', '/v1/programs/main', undefined, ours)).status, 200)
})
