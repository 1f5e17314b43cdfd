import { z } from 'zod'
import { linkIdSchema } from './ids.ts'
import { streamClassSchema, streamIdSchema } from './stream.ts'
import { laneInputWordsSchema } from './switched-inputs.ts'

/*
 * What a field sender is to do: one document, which the hub keeps (desired) and the device applies as a whole or not at
 * all (actual). The same schema reads JSON from the API and TOML from a file.
 */

/** Broadcasts of one device. A board encodes one or two. */
export const MAX_BROADCASTS = 4
/** Uplinks of one device, as many as a contract has endpoints. */
export const MAX_UPLINKS = 8

/** A C string, a line of RTSP's head, a line on a terminal: nothing of it ends before the text does. */
const printable = (least: number, most: number) =>
  z
    .string()
    .min(least)
    .max(most)
    .regex(/^\P{Cc}*$/u, 'there are control characters in it')
/**
 * A URL without credentials: those have fields of their own, which no answer shows. It has no character that readers of
 * URLs disagree about: the password goes to the host that Node reads in it, and GStreamer reads hosts in another way
 * (`rtsp://camera#@other/`).
 */
const address = (protocol: RegExp) =>
  z
    .url({ protocol })
    .max(500)
    .refine((url) => !new URL(url).username && !new URL(url).password, {
      message: 'a URL holds no user name or password: use `username` and `password`',
      abort: true,
    })
    .regex(
      /^[a-z]+:\/\/[A-Za-z0-9.:[\]_-]+([/?][!-"$-[\]-~]*)?$/,
      'a URL is written as protocol://host:port/path, with all but plain characters as %XX',
    )

/** Stands for a secret that is not told. A document that comes back with it keeps the secret before. */
export const SECRET_MASK = '********'

const cameraAccess = {
  username: printable(1, 128).optional(),
  /** Shown to nobody: answers have `********`, and a document with that keeps the password before. */
  password: printable(1, 128).optional(),
}

/** Where pictures, and mostly sound, come from. */
export const mediaSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('test-card'), name: printable(0, 40).optional() }),
  /** A capture device: a path, or better a name below /dev/v4l/by-id, which survives a replug. */
  z.strictObject({
    kind: z.literal('v4l2'),
    device: z
      .string()
      .regex(/^\/dev(\/(?!\.)[A-Za-z0-9._:+-]{1,200})+$/, 'a capture device is a path below /dev')
      .max(205),
    /** The format to ask the device for; by itself the agent takes the best that the device delivers. */
    format: z.enum(['auto', 'raw', 'mjpeg', 'h264']).default('auto'),
  }),
  z.strictObject({ kind: z.literal('rtsp'), url: address(/^rtsps?$/), ...cameraAccess }),
  z.strictObject({
    kind: z.literal('srt'),
    url: address(/^srt$/).refine((url) => !/[?&]passphrase=/i.test(url), {
      message: 'a URL is shown to everybody who reads the document: use `passphrase`',
    }),
    /** As `password`. */
    passphrase: z.union([z.literal(SECRET_MASK), printable(10, 79)]).optional(),
  }),
  z.strictObject({
    kind: z.literal('file'),
    path: printable(2, 501).startsWith('/', 'a file is an absolute path'),
    loop: z.boolean().default(true),
  }),
])
export type MediaSource = z.output<typeof mediaSourceSchema>

/** Where sound comes from. `embedded`: with the pictures (RTSP, SRT, a file; the test card's tone). */
export const soundSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('embedded') }),
  z.strictObject({
    kind: z.literal('alsa'),
    /** A name by itself, or a card's. Others have arguments, such as `file:NAME`, which writes the file. */
    device: z
      .string()
      .max(64)
      .regex(
        /^([A-Za-z0-9_.-]+|(plug)?hw:[A-Za-z0-9_=,.-]+|(sysdefault|front|dsnoop):[A-Za-z0-9_=,.-]+)$/,
        'an ALSA device is a name such as `hw:1,0`',
      ),
  }),
])

const pictureSize = z.strictObject({
  width: z.int().min(64).max(4096).multipleOf(2),
  height: z.int().min(64).max(4096).multipleOf(2),
})

/** One stream that the device sends. */
export const broadcastSchema = z.strictObject({
  stream_id: streamIdSchema,
  /** Whether it is on air. A broadcast that is off is kept with its settings. */
  on: z.boolean().default(true),
  class: streamClassSchema.default('director'),
  /** `primary`, `standby`, `standby:2`: which of several senders of the stream this is. */
  input: laneInputWordsSchema.optional(),
  /** Demands PTP and TSN on every link, or else nothing is sent. */
  mode: z.literal('deterministic-wired').optional(),
  source: mediaSourceSchema,
  /** null: no sound. */
  sound: z
    .strictObject({
      source: soundSourceSchema.prefault({ kind: 'embedded' }),
      kbps: z.int().min(16).max(256).default(64),
      gain_db: z.number().min(-60).max(30).default(0),
    })
    .nullable()
    .prefault({}),
  fps: z.int().min(1).max(60).default(30),
  /** Ascending by size; the largest is what is asked of the source. */
  renditions: z
    .array(pictureSize)
    .min(1)
    .max(4)
    .refine((sizes) => sizes.every((size, at) => at === 0 || size.width > sizes[at - 1]!.width), {
      message: 'renditions ascend by size',
    })
    .prefault([
      { width: 640, height: 360 },
      { width: 1280, height: 720 },
    ]),
  /** Bounds inside those of the contract, kb/s of media. */
  kbps: z
    .strictObject({ min: z.int().min(50).max(200_000), max: z.int().min(50).max(200_000) })
    .refine(({ min, max }) => min <= max, { message: 'min is at most max' })
    .optional(),
  /** `auto`: a source that is already what browsers show is sent as it comes. */
  encoder: z.enum(['auto', 'always', 'never']).default('auto'),
  /** The uplinks in use, by their ids; left out: all of them. */
  links: z.array(linkIdSchema).min(1).max(MAX_UPLINKS).optional(),
  /** What could not be sent in time is kept and delivered later. By itself only for class `record`. */
  backlog: z.boolean().optional(),
})
export type Broadcast = z.output<typeof broadcastSchema>

/** An uplink by its interface; uplinks that are not listed are used as they appear. */
export const uplinkSchema = z.strictObject({
  link_id: linkIdSchema,
  /** Name of the interface, such as `wwan0`, or its path below /sys/devices with `*`, which survives a re-enumeration. */
  interface: z.string().regex(/^[\x21-\x7e]{1,200}$/),
  enabled: z.boolean().default(true),
})

const unique = (keys: readonly string[]) => new Set(keys).size === keys.length

export const nodeConfigSchema = z.strictObject({
  broadcasts: z
    .array(broadcastSchema)
    .max(MAX_BROADCASTS)
    .refine((all) => unique(all.map(({ stream_id, input }) => `${stream_id} ${input ?? ''}`)), {
      message: 'a stream stands twice',
    })
    .default([]),
  uplinks: z
    .array(uplinkSchema)
    .max(MAX_UPLINKS)
    .refine((all) => unique(all.map(({ link_id }) => link_id)), { message: 'a link id stands twice' })
    .default([]),
  /** Interfaces that are no uplinks, with `*` for anything and `?` for one character. Loopback, bridges and containers never are. */
  not_uplinks: z
    .array(z.string().regex(/^[\x21-\x7e]{1,64}$/))
    .max(16)
    .default([]),
  /** Whether the device tells where it is, by gpsd. */
  position: z.boolean().default(false),
  /** Room for what is delivered later, MB; the oldest goes first. */
  backlog_mb: z.int().min(0).max(1_000_000).default(2000),
  update: z.strictObject({ auto: z.boolean().default(true) }).prefault({}),
})
export type NodeConfig = z.output<typeof nodeConfigSchema>
export const EMPTY_NODE_CONFIG: NodeConfig = nodeConfigSchema.parse({})
