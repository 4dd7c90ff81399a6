// Calls through a class template, two inlined functions and a virtual one.
#include <string>

extern "C" void dump_stack(void);
volatile int sink;

namespace shapes {

struct Shape {
    virtual ~Shape() = default;
    virtual int area(int scale) const = 0;
};

static inline __attribute__((always_inline)) int innermost(int n) {
    dump_stack();
    return sink + n;
}

static inline __attribute__((always_inline)) int between(int n) {
    return innermost(n + 1) + 1;
}

template <typename T>
struct Square : Shape {
    T side;
    explicit Square(T side) : side(side) {}
    __attribute__((noinline)) int area(int scale) const override {
        return between(scale) + static_cast<int>(side);
    }
};

__attribute__((noinline)) int total(const Shape &shape, const std::string &name) {
    return shape.area(static_cast<int>(name.size())) + sink;
}

}  // namespace shapes

int main() {
    return shapes::total(shapes::Square<double>(2.0), "square") & 1;
}
