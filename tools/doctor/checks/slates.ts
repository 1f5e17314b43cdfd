import { encodeSlate } from '../../../server/slates/slate-encoder.ts'
import { slateWords } from '../../../server/slates/slate-words.ts'
import { type Check, fine, warning } from '../check.ts'

/** Whether ffmpeg makes slates, which takes libass and libx264. @param ffmpeg the program; `ffmpeg` on the PATH by default */
export const slatesBy = (ffmpeg?: string): Check => ({
  name: 'slates',
  async run({ signal }) {
    const order = {
      size: { width: 320, height: 180 },
      words: slateWords('doctor', Date.now()),
      picture: null,
    }
    const outcome = await encodeSlate(order, signal, ffmpeg)
    if ('units' in outcome) return [fine('ffmpeg', 'it draws slates')]
    const what = `streams without input show letters of dots, and tenants can't upload a slate: ${outcome.why}`
    return [warning('ffmpeg', what, 'install ffmpeg with libass and libx264, as Debian has it')]
  },
})

export const slates = slatesBy()
