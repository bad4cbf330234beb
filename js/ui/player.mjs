// Plays the drawing in its own time: the model's frame moves smoothly, the picture follows.

export class Player {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.loop = true;
    this.due = 0;
  }

  get playing() {
    return this.due !== 0;
  }

  toggle() {
    if (this.playing) return this.stop();
    const { model } = this.editor;
    if (!model.lastFrame) return;
    const from = model.frame >= model.lastFrame ? 0 : model.frame;
    const start = performance.now();
    const tick = (/** @type {number} */ now) => {
      const length = model.lastFrame + 1;
      const at = from + (Math.max(now - start, 0) / 1000) * (model.space.fps || 8);
      if (at >= length && !this.loop) return this.stop();
      this.due = requestAnimationFrame(tick);
      if (this.editor.stage.visible) model.seek(Math.min(at % length, model.lastFrame));
    };
    this.due = requestAnimationFrame(tick);
    this.editor.update();
  }

  stop() {
    if (!this.playing) return;
    cancelAnimationFrame(this.due);
    this.due = 0;
    this.editor.model.seek(Math.round(this.editor.model.frame));
    this.editor.update();
  }
}
