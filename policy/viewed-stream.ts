/** One layer of a stream's picture: a spatial layer with its temporal layers up to one of them. */
export interface LayerStep {
  readonly spatial: number
  readonly temporal: number
  /** Bitrate of this layer with all layers below it, kb/s; null while the layer is not sent, or not measured yet. */
  readonly kbps: number | null
  /** Size of the picture, in pixels; null where nobody told. */
  readonly picture: PictureSize | null
}

export interface PictureSize {
  readonly width: number
  readonly height: number
}

/** How a viewer shows a stream, as the viewer's page reports. */
export interface StreamView {
  /** Size of the tile on the screen, device pixels (CSS pixels x device pixel ratio); null where none is reported. */
  readonly tile: PictureSize | null
  /** False: scrolled out of sight, or the page is in the background. */
  readonly visible: boolean
  /** The stream that counts most on this viewer's screen. */
  readonly focused: boolean
  readonly audio: boolean
  readonly video: boolean
}

/** One of the streams that share a viewer's bandwidth. */
export interface ViewedStream {
  readonly id: string
  /** Ascending by spatial, then temporal layer. A stream without layers has one step, without video none. */
  readonly steps: readonly LayerStep[]
  /** The contract's floor, kb/s of video. Below the floor, less important streams give up their bandwidth first. */
  readonly floorKbps: number
  readonly ceilingKbps: number
  /** 1 to 255. The higher priority is served first. */
  readonly priority: number
  readonly view: StreamView
}

/** A picture may fill this share of the tile's size, scaled up, before the next layer is taken. */
const ENOUGH_OF_TILE = 0.75
/** Assumed size of the best layer where nobody reported sizes. Each layer below has half the size. */
const USUAL_TOP: PictureSize = { width: 1280, height: 720 }

export type WantedReason = 'all' | 'tile' | 'ceiling' | 'hidden' | 'not_wanted' | 'no_video'

/** The highest step (index) worth its bits on this screen, within the contract; null for no picture at all. */
export function wantedStep({ steps, view, ceilingKbps }: ViewedStream): {
  readonly step: number | null
  readonly reason: WantedReason
} {
  if (steps.length === 0) return { step: null, reason: 'no_video' }
  if (!view.video) return { step: null, reason: 'not_wanted' }
  if (!view.visible || isNothing(view.tile)) return { step: null, reason: 'hidden' }
  const top = steps.length - 1
  const bySize = stepForTile(steps, view.tile)
  // The lowest layer fits every contract, because a stream has nothing less to give.
  const byCeiling = Math.max(
    0,
    steps.findLastIndex(({ kbps }) => kbps === null || kbps <= ceilingKbps),
  )
  if (byCeiling < bySize) return { step: byCeiling, reason: 'ceiling' }
  return { step: bySize, reason: bySize < top ? 'tile' : 'all' }
}

function stepForTile(steps: readonly LayerStep[], tile: PictureSize | null): number {
  const top = steps.length - 1
  if (tile === null) return top
  const layers = steps[top]!.spatial + 1
  const enough = steps.find(({ spatial, picture }) => {
    const halvings = 2 ** (layers - 1 - spatial)
    const width = picture?.width ?? USUAL_TOP.width / halvings
    const height = picture?.height ?? USUAL_TOP.height / halvings
    // The picture is fitted into the tile, so one side that is large enough is enough.
    return width >= tile.width * ENOUGH_OF_TILE || height >= tile.height * ENOUGH_OF_TILE
  })
  if (enough === undefined) return top
  // Layers of one size are the same picture, as a switched stream sends where its input has fewer layers. The highest of
  // them is what the viewer goes on with when the sizes differ again.
  const isEnough = ({ spatial, picture }: LayerStep) =>
    spatial === enough.spatial || (picture !== null && isSame(picture, enough.picture))
  return steps.findLastIndex(isEnough)
}

const isSame = (one: PictureSize, other: PictureSize | null): boolean =>
  one.width === other?.width && one.height === other.height

const isNothing = (tile: PictureSize | null): boolean => tile !== null && (tile.width < 1 || tile.height < 1)
