// Mouse, pen and touch on the stage: gestures of the tool, pan and zoom, what belongs to the graph.
// Listeners sit on the stage only: in Nodes 2.0 nothing of them reaches the document.

/** @typedef {import('../editor.mjs').Editor} Editor */
/** @typedef {[number, number]} Point */

const CLICK = 4; // CSS pixels a press may move and still be a click

export class Pointers {
  /** @param {Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.stage = editor.stage;
    /** @type {Map<number, Point>} */ this.fingers = new Map();
    /** @type {any} */ this.gesture = null;
    this.spaceHeld = false;
    this.spaceUsed = false;
    const root = this.stage.root;
    root.addEventListener('pointerdown', (/** @type {PointerEvent} */ e) => this.down(e));
    root.addEventListener('pointermove', (/** @type {PointerEvent} */ e) => this.move(e));
    root.addEventListener('pointerup', (/** @type {PointerEvent} */ e) => this.up(e));
    root.addEventListener('pointercancel', (/** @type {PointerEvent} */ e) => this.up(e, true));
    root.addEventListener('pointerleave', () => editor.hovered(null));
    root.addEventListener('wheel', (/** @type {WheelEvent} */ e) => this.wheel(e), { passive: false });
    root.addEventListener('contextmenu', (/** @type {Event} */ e) => e.preventDefault());
  }

  /** What a tool learns of an event. @param {any} event of a pointer or the mouse */
  touch(event) {
    const { view } = this.stage;
    const { w, h } = view.rect();
    const at = this.stage.point(event);
    const coarse = event.pointerType === 'touch' ? 2 : 1;
    return {
      at,
      point: view.toCanvas(at),
      px: /** @type {Point} */ ([coarse / w, coarse / h]),
      shift: event.shiftKey,
      alt: event.altKey,
      ctrl: event.ctrlKey || event.metaKey,
      pressure: event.pointerType === 'pen' ? event.pressure : 1,
    };
  }

  /** @param {PointerEvent} event */
  down(event) {
    const { editor, stage } = this;
    if (event.button === 1 && !editor.full && editor.host.passPointer(event)) return;
    if (event.target !== stage.root && event.target !== stage.front) return;
    event.preventDefault();
    editor.focus();
    stage.root.setPointerCapture(event.pointerId);
    stage.hold(true);
    this.fingers.set(event.pointerId, stage.point(event));
    if (this.fingers.size > 1) return this.pinch();
    const touch = this.touch(event);
    if (event.button === 1 || (this.spaceHeld && event.button === 0)) this.gesture = this.panning(touch);
    else if (event.button === 0) this.gesture = this.pressed(touch);
    this.start = touch.at;
  }

  /** @param {any} touch */
  pressed(touch) {
    const { editor } = this;
    editor.pause();
    if (!editor.model.editable) return this.panning(touch);
    return editor.tool.press(editor.model, touch) ?? this.marquee(touch);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (event.buttons & 4 && !this.gesture && this.editor.host.passPointer(event)) return;
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return this.editor.hovered(this.touch(event));
    if (this.fingers.size > 1) return this.pinched(event);
    const touch = this.touch(event);
    const [dx, dy] = [touch.at[0] - (this.start?.[0] ?? 0), touch.at[1] - (this.start?.[1] ?? 0)];
    if (this.start && Math.hypot(dx, dy) < CLICK && !this.gesture?.eager) return;
    this.start = undefined;
    const events = event.getCoalescedEvents?.() ?? [];
    if (this.gesture?.every && events.length) for (const e of events) this.gesture.move(this.touch(e));
    else this.gesture?.move(touch);
    this.editor.hovered(touch);
  }

  /** @param {PointerEvent} event @param {boolean} cancelled */
  up(event, cancelled = false) {
    if (event.button === 1 && !this.gesture && this.editor.host.passPointer(event)) return;
    const known = this.fingers.delete(event.pointerId);
    const touch = this.touch(event);
    if (!this.fingers.size) this.stage.hold(false);
    if (!known || !this.gesture) return;
    const { gesture } = this;
    this.gesture = null;
    if (cancelled) return this.editor.model.cancel();
    gesture.release?.(touch, this.start !== undefined);
    this.editor.model.commit();
    this.editor.update();
  }

  /** @param {any} start */
  panning(start) {
    let last = start.at;
    this.spaceUsed = true;
    return {
      eager: true,
      move: (/** @type {any} */ { at }) => {
        this.stage.view.pan(at[0] - last[0], at[1] - last[1]);
        last = at;
        this.stage.redraw();
      },
    };
  }

  /** @param {any} start */
  marquee(start) {
    const { editor } = this;
    const before = start.shift ? [...editor.model.selection] : [];
    return {
      move: (/** @type {any} */ { point }) => {
        const [[x0, y0], [x1, y1]] = [start.point, point];
        const area = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
        editor.area = area;
        const inside = editor.model.entries.filter((e) => editor.tool.within(editor.model, e, area));
        editor.model.select([...before, ...inside.map((e) => e.id)]);
      },
      release: (/** @type {any} */ _touch, /** @type {boolean} */ click) => {
        editor.area = null;
        if (click && !(editor.tool.click?.(editor.model, start) ?? false)) editor.model.select(before);
      },
    };
  }

  /** A second finger ends the gesture of the first. */
  pinch() {
    this.editor.model.cancel();
    this.gesture = { move() {} };
    this.start = undefined;
  }

  /** Two fingers pan and zoom. @param {PointerEvent} event */
  pinched(event) {
    const { view } = this.stage;
    const [a, b] = [...this.fingers.values()];
    this.fingers.set(event.pointerId, this.stage.point(event));
    const [c, d] = [...this.fingers.values()];
    const middle = (/** @type {Point} */ p, /** @type {Point} */ q) => [(p[0] + q[0]) / 2, (p[1] + q[1]) / 2];
    const [from, to] = [middle(a, b), middle(c, d)];
    view.pan(to[0] - from[0], to[1] - from[1]);
    const span = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (span > 1) view.zoomAt(/** @type {Point} */ (to), Math.hypot(c[0] - d[0], c[1] - d[1]) / span);
    this.stage.redraw();
  }

  /** The wheel is ours with the focus inside or in full screen; else it is the graph's.
   * @param {WheelEvent} event */
  wheel(event) {
    if (!this.editor.full && !this.editor.focused) return this.editor.host.passWheel(event);
    event.preventDefault();
    event.stopPropagation();
    const step = event.deltaMode === 1 ? 16 : 1;
    this.stage.view.zoomAt(this.stage.point(event), Math.exp((-event.deltaY * step) / 500));
    this.stage.redraw();
  }
}
