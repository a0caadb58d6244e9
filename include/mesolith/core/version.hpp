#pragma once
#include <string>

namespace mesolith {

std::string version(); ///< "0.1.0"
std::string commit();  ///< git commit of the sources, with "+changes" when they were modified

} // namespace mesolith
